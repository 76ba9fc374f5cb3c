"""The markup of chat models: control tokens in documents, thinking in replies. Pure text to text."""

import re

# Text that some model family reads as a control token, so that a document could speak as the
# system or end its own turn. Breaking it after its first character makes it plain text for every
# tokenizer. The families: ChatML/Qwen, OpenAI harmony, Llama 2 to 4, Mistral, Gemma, Phi, DeepSeek,
# Command, Granite, GLM, Kimi, T5, BERT, code models' fill-in-the-middle.
_NAMED = (
    r"</?s>|<(?:bos|eos|unk|pad|mask|cls|sep|sop|eop|eot|eod|begin|end|nl|PRE|SUF|MID|EOT)>"
    r"|</?(?:start_of|end_of|begin_of)_\w+>|</?(?:think|thinking|thought|reasoning|answer)>"
    r"|</?(?:tool|function)_?(?:calls?|responses?|list|results?)?>|</?tools>"
    r"|<<\s*/?\s*SYS\s*>>|</?(?:extra_id|unused|reserved|special|fim|file|repo|commit|jupyter|issue|gh)_?\w*>"
    r"|<(?:filename|reponame|empty_output|image|image_soft_token|turn)>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|THINK|ARGS|CALL_ID|"
    r"PREFIX|SUFFIX|MIDDLE|IMG|IMG_BREAK|IMG_END|gMASK|sMASK|MASK|CLS|SEP|UNK|PAD|BOS|EOS|control_\d+)\]"
    r"|◁/?think▷"
)
_CONTROL = re.compile(rf"<(?=[|｜])|[|｜](?=>)|(?:{_NAMED})", re.IGNORECASE)
_OPEN = re.compile(r"<(think|thinking|thought|reasoning)>|\[THINK\]|◁think▷", re.IGNORECASE)
_CLOSE = re.compile(r"</(think|thinking|thought|reasoning)>|\[/THINK\]|◁/think▷", re.IGNORECASE)
_BOTH = re.compile(f"{_OPEN.pattern}|{_CLOSE.pattern}", re.IGNORECASE)
_TAGS = (
    *(f"<{slash}{name}>" for name in ("think", "thinking", "thought", "reasoning") for slash in ("", "/")),
    *("[think]", "[/think]", "◁think▷", "◁/think▷"),
)


_HALVES = re.compile(
    f"(?:{'|'.join(re.escape(tag[:end]) for tag in _TAGS for end in range(len(tag) - 1, 0, -1))})+\\Z", re.IGNORECASE
)
_NESTED = 200  # characters of halves inside halves that are held back at most


def neutralise(text: str) -> str:
    """The same text with every control token broken by one space, so that models read it as text.

    For the copy of a document that goes into a prompt; stored text and citations stay as they are.
    """
    return _CONTROL.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)


class ThinkingFilter:
    """Takes a reply piece by piece, cut at any character, and gives it without its thinking.

    Thinking is what stands between <think> and </think> (or a like pair) anywhere in the reply, also where
    the tag is made only by taking out another one: <thi</think>nk>. Some templates open it in the prompt, so that
    only its end comes: `after` is then what the last `feed` gave behind that end (None: there was none). With
    `begun` it is taken to be open from the first character; when it never ends, it was no thinking.
    """

    def __init__(self, begun: bool = False) -> None:
        self.thinking = begun
        self.after: str | None = None
        self._met = begun  # a tag
        self._taken_for_thinking = [""] if begun else []
        self._held = ""
        self._before = ""  # half a tag before the thinking that goes on

    @property
    def mistaken(self) -> bool:
        """Is all so far taken for thinking because of `begun` alone?"""
        return bool(self._taken_for_thinking)

    def feed(self, piece: str) -> str:
        """The text that is certain to be no thinking so far; a possible half tag is held back."""
        self._held += piece
        shown, cut = [], None
        while match := (_CLOSE if self.thinking else _BOTH).search(self._held):
            rest = self._held[match.end() :]
            if not self.thinking:
                text = self._held[: match.start()]
                whole = len(text) - _half_tags(text)
                shown.append(text[:whole])
                self._before = text[whole:]
                cut = len(shown) if not self._met and _CLOSE.fullmatch(match[0]) else cut
            self._met, self._taken_for_thinking = True, []
            self.thinking = not _CLOSE.fullmatch(match[0])
            self._held = rest if self.thinking else self._before + rest
        keep = _half_tags(self._held)
        ready, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        if not self.thinking:
            shown.append(ready)
        elif self.mistaken:
            self._taken_for_thinking.append(ready)
        self.after = None if cut is None else "".join(shown[cut:])
        return "".join(shown)

    def close(self) -> str:
        """What was held back when the reply ended: a half tag is text after all."""
        if self.mistaken:
            return "".join((*self._taken_for_thinking, self._held))
        held = self._before if self.thinking else self._held
        self._held = self._before = ""
        return held


def _half_tags(text: str) -> int:
    """How many characters at the end may be the beginning of a tag, or of one that another is put into."""
    found = _HALVES.search(text, max(0, len(text) - _NESTED))
    return len(text) - found.start() if found else 0
