"""The page as its users meet it: the real app in a process, a real Chromium, the seed article.

A scripted endpoint on loopback writes what the model says. Every visit ends with the check that nothing went wrong in
the page and that nothing was asked of another host.
"""

import json
import os
import re
import shutil

import numpy as np
import pytest

from app.evaluate import read_questions
from ingest.corpus import write_document
from ingest.document import Document, Metadata
from ingest.embed import LocalEmbedder
from ingest.settings import SOURCE_BYTES
from ingest.sync import sync
from tests.browser import SEEN, Visit, axe, launched, marked, serving
from tests.servers.scripted import HELD, NOT_HELD, ScriptedServer
from tests.store_kit import settings_for

ZONES = "How many special economic zones is North Korea developing?"
ZONES_SENTENCE = (
    "Furthermore, North Korea is developing 13 special economic zones, and the purpose of these zones is to "
    "increase international exchanges and cooperation."
)
REPLIES = {  # the first part that is found in the question counts
    "slowly": "North Korea's total food production is now approximately 5.03 million tons <<5.03 million>>. "
    "North Korea is also\f developing 13 special economic zones <<13 special economic>>.",
    "special economic zones": "North Korea is developing 13 special economic zones <<13 special economic>>.",
    "food production": "North Korea's total food production is now approximately 5.03 million tons <<5.03 million>>. "
    "North Korea is developing 13 special economic zones <<13 special economic>>. "
    "The country also sold 40 submarines to Brazil in 1987 <<5.03 million>>.",
    "السفن": "السفن تصل في الصباح <<في الصباح>>.",
    "熊猫": "熊猫每天吃三十公斤竹子 <<三十公斤>>。",
    "gulls": "The keeper Ysolde counted 731 gulls at the lighthouse <<731 gulls>>. "
    + " ".join(
        f"On day {day} the keeper Ysolde counted more gulls at the lighthouse <<731 gulls>>." for day in range(15)
    ),
    "towers": "Brno has six towers <<six towers>>. Lund has nine bridges <<nine bridges>>. "
    "North Korea is developing 13 special economic zones <<13 special economic>>.",
    "harbour": "The harbour of Quillmere was opened by Ada Finch in 1911 <<opened by Ada Finch>>.",
}
ARTICLE = """# The harbour of Quillmere

The harbour of Quillmere was opened by Ada Finch in 1911. It is building four new quays.

Ada Finch, an engineer from the north, said that the harbour was her best work.
"""


@pytest.fixture(scope="module")
def script():
    with ScriptedServer() as running:
        running.replies = REPLIES
        yield running


@pytest.fixture(scope="module")
def folders(seed_settings, tmp_path_factory):
    """A corpus and an index of the seed article that these tests may change."""
    place = tmp_path_factory.mktemp("page")
    shutil.copytree(seed_settings.corpus_dir, place / "corpus")
    shutil.copytree(seed_settings.index_dir, place / "index")
    return {"CORPUS_DIR": place / "corpus", "INDEX_DIR": place / "index"}


@pytest.fixture(scope="module")
def site(folders, script):
    models = {"CHAT_MODEL": "scripted", "CHAT_MODELS": "scripted,second", "CHAT_PRICE": "1,2"}
    with serving(OPENAI_BASE_URL=script.url, **models, **folders) as address:
        yield address


@pytest.fixture(scope="module")
def browser(chromium):
    with launched(chromium) as running:
        yield running


@pytest.fixture
def visit(browser, script):
    """`visit(address, **options)`: the page in a fresh profile, checked at the end of the test."""
    visits = []

    def start(address, **options):
        visits.append(Visit(browser, address, **options))
        return visits[-1].open()

    script.belief = HELD
    start.visits = visits
    yield start
    for one in visits:
        one.check()
        one.context.close()


def ask(page, question):
    page.fill("#question", question)
    page.press("#question", "Enter")


def answered(page, turn=1):
    """The element of a turn, when it has ended."""
    page.wait_for_selector(f".turn:nth-of-type({turn}) footer:not([hidden])")
    return page.locator(f".turn:nth-of-type({turn})")


REFINED = """(turn) => {
  const held = document.querySelector('.hits li:last-child .opens');
  held.focus();
  const changed = document.createElement('div');
  changed.innerHTML = document.querySelector('.evidence > div').innerHTML;
  changed.querySelector('.hits').prepend(changed.querySelector('.hits > li:last-child'));
  changed.querySelector('.hits > li:last-child').remove();
  window.room.answered({turn, evidence: changed.innerHTML, evidence_title: 'fewer'});
  const now = document.activeElement, first = document.querySelector('.hits > li');
  return now !== held && now.closest('li') === first && now.dataset.start === held.dataset.start;
}"""


def test_passages_that_move_when_their_sentences_are_chosen_keep_the_focus_and_the_closed_panel(visit, site, script):
    page = visit(site)
    ask(page, "Say slowly how large total food production in North Korea is now")
    page.wait_for_selector(".hits .line")
    page.wait_for_selector(".claim")
    assert page.evaluate(REFINED, page.locator(".turn").get_attribute("data-turn"))
    page.click(".evidence summary")
    assert (
        page.evaluate(REFINED, page.locator(".turn").get_attribute("data-turn")) is False
    )  # nothing in it has the focus
    assert page.locator(".evidence").get_attribute("open") is None
    script.go()
    answered(page)


def test_each_sentence_has_its_citation_and_the_unsupported_one_a_word_on_why(visit, site):
    page = visit(site)
    ask(page, "What is North Korea's food production?")
    turn = answered(page)
    claims = turn.locator(".claim")
    assert claims.count() == 3
    assert claims.nth(0).locator(".chip").count() == 1
    assert claims.nth(2).get_attribute("class") == "claim unsupported"
    assert claims.nth(2).locator(".flag").inner_text().startswith("not supported: ")
    foot = turn.locator(".foot").inner_text()
    told = r"2 of 3 sentences supported · scripted · [\d,]+ tokens read, \d+ written · price 0\.00\d+ · [\d.]+ s"
    assert re.fullmatch(told, foot), foot
    claims.nth(0).locator(".chip").hover()
    card = page.locator("#card")
    assert card.is_visible()
    assert "5.03 million tons" in card.inner_text()
    assert "North Korea’s Own Pivot to ASEAN" in card.inner_text()
    assert page.locator("mark[data-number]").count() == 2  # every citation of the answer stands in the margin
    assert axe(page) == []


def test_stop_keeps_what_stands_and_retry_and_edit_replace_it(visit, site, script):
    page = visit(site)
    script.hung_up.clear()
    ask(page, "Say slowly how large total food production in North Korea is now")
    page.wait_for_selector(".claim")
    page.click("#send")
    turn = answered(page)
    assert turn.locator(".claim").count() >= 1
    assert "Stopped: the answer is not complete." in turn.locator(".notice").inner_text()
    script.go()
    assert script.hung_up.wait(20)

    script.go()
    turn.locator("button:text-is('Retry')").click()
    page.wait_for_function("document.querySelectorAll('.claim').length === 2 && !document.querySelector('.busy')")
    assert page.locator(".turn").count() == 1

    ask(page, ZONES)
    answered(page, 2)
    page.locator(".turn").first.locator("button:text-is('Edit')").click()
    assert page.input_value("#question") == "Say slowly how large total food production in North Korea is now"
    page.press("#question", "Escape")
    assert page.input_value("#question") == ""
    page.locator(".turn").first.locator("button:text-is('Edit')").click()
    ask(page, "How large is total food production in North Korea now?")
    answered(page)
    assert page.locator(".question").all_inner_texts() == ["How large is total food production in North Korea now?"]


def test_a_question_that_the_sources_do_not_answer_shows_the_nearest_passages(visit, site, script):
    page = visit(site)
    script.belief = NOT_HELD
    ask(page, "Who won the football world cup?")
    turn = answered(page)
    assert "The sources do not answer this." in turn.locator(".abstained").inner_text()
    assert turn.locator(".claim").count() == 0
    nearest = turn.locator(".nearest li")
    assert nearest.count() == 3
    nearest.first.locator("button").click()
    assert nearest.first.locator("p").inner_text().rstrip("…") in " ".join(marked(page).split())
    assert axe(page) == []


def test_conversations_stay_in_the_browser(visit, site, folders):
    page = visit(site)
    ask(page, ZONES)
    answered(page)
    page.click("#new-chat")
    ask(page, "How large is total food production in North Korea now?")
    answered(page)
    assert page.locator(".chats .name").all_inner_texts() == [
        "How large is total food production in North Korea now?",
        ZONES,
    ]

    page.reload()
    page.wait_for_selector(".turn")
    assert page.locator(".question").all_inner_texts() == ["How large is total food production in North Korea now?"]
    page.locator(".chats li").nth(1).hover()
    page.click(f"button[aria-label='Rename {ZONES}']")
    page.keyboard.type("Zones")
    page.keyboard.press("Enter")
    page.click(".chats .name:text-is('Zones')")
    assert page.locator(".question").all_inner_texts() == [ZONES]
    page.locator(".answer .chip").click()
    assert marked(page) == ZONES_SENTENCE

    page.locator(".chats li").nth(0).hover()
    remove = page.locator("button[aria-label='Delete How large is total food production in North Korea now?']")
    remove.click()
    remove.click()
    page.wait_for_function("document.querySelectorAll('.chats .name').length === 1")
    assert page.locator(".chats .name").all_inner_texts() == ["Zones"]
    kept = [
        path
        for path in folders["INDEX_DIR"].rglob("*")
        if path.is_file() and "special economic zones is" in _text(path)
    ]
    assert kept == []  # nothing of it stands on the server


def _text(path):
    return path.read_bytes().decode("utf-8", "ignore")


def test_a_page_left_while_a_question_is_answered_keeps_the_question(visit, site, script):
    page = visit(site)
    ask(page, "Say slowly how large total food production in North Korea is now")
    page.wait_for_selector(".claim")
    page.reload()
    page.wait_for_selector(".turn")
    script.go()
    assert page.locator(".question").inner_text() == "Say slowly how large total food production in North Korea is now"
    assert "left before" in page.locator(".progress.fault").inner_text()


def test_a_chat_deleted_while_its_answer_runs_stays_deleted(visit, site, script):
    page = visit(site)
    ask(page, "Say slowly how large total food production in North Korea is now")
    page.wait_for_selector(".claim")
    page.locator(".chats li").hover()
    for _ in range(2):
        page.click(".chats button[title='Delete']")
    script.go()
    page.wait_for_selector(".room:not(.answering)")
    assert page.locator(".chats .name").count() == 0
    assert page.evaluate(CHATS_KEPT) == 0


CHATS_KEPT = """() => new Promise((done) => {
  indexedDB.open("reading-room").onsuccess = ({target}) => {
    target.result.transaction("chats").objectStore("chats").count().onsuccess = ({target}) => done(target.result);
  };
})"""


def test_asking_an_earlier_question_again_is_confirmed_because_later_answers_go(visit, site):
    page = visit(site)
    ask(page, ZONES)
    answered(page)
    ask(page, "How large is total food production in North Korea now?")
    answered(page, 2)
    again = page.locator(".turn").first.locator("button[title='Ask again']")
    again.click()
    assert again.inner_text() == "Replaces later answers?"
    assert page.locator(".turn").count() == 2
    again.click()
    page.wait_for_function("document.querySelectorAll('.turn').length === 1")
    assert answered(page).locator(".question").inner_text() == ZONES


def test_what_cannot_be_kept_is_told_to_every_reader(visit, site, folders):
    page = visit(site)
    page.evaluate("() => { IDBObjectStore.prototype.put = () => { throw new Error('full'); }; }")
    ask(page, ZONES)
    page.wait_for_selector(".scope:visible:has-text('no room left for chats')")
    turn = answered(page)
    file = folders["INDEX_DIR"] / "feedback.jsonl"
    with file.open("wb") as full:
        full.truncate(50_000_001)
    turn.locator("button[title='Good answer']").click()
    page.wait_for_selector(".scope:visible:has-text('feedback.jsonl is full')")
    file.unlink()


def test_copy_and_export_carry_the_quotes_as_footnotes(visit, site):
    page = visit(site, permissions=["clipboard-read", "clipboard-write"])
    ask(page, "How large is total food production in North Korea now?")
    answered(page)
    page.click("button:text-is('Copy')")
    page.wait_for_selector("button:text-is('Copied')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "5.03 million tons.[^1]" in copied
    assert re.search(r"^\[\^1\]: “Agricultural reforms .*North Korea’s Own Pivot to ASEAN", copied, re.MULTILINE)

    ask(page, ZONES)
    answered(page, 2)
    with page.expect_download() as download:
        page.click("#export")
    text = download.value.path().read_text("utf-8")
    assert download.value.suggested_filename == "How-large-is-total-food-production-in-North-Korea-now.md"
    assert text.startswith(
        "# How large is total food production in North Korea now?\n\n"
        "## How large is total food production in North Korea now?\n"
    )
    assert f"[^2-1]: “{ZONES_SENTENCE}”" in text
    assert "*(not supported: " in text
    notes, uses = re.findall(r"^\[\^([\d-]+)\]:", text, re.MULTILINE), re.findall(r"\[\^([\d-]+)\](?!:)", text)
    assert sorted(notes) == sorted(set(uses)) == ["1-1", "1-2", "2-1"]


def test_a_rating_becomes_a_question_of_an_evaluation_file(visit, site, folders):
    page = visit(site)
    ask(page, ZONES)
    turn = answered(page)
    turn.locator("button[title='Bad answer']").click()
    page.wait_for_selector("button[title='Bad answer'][aria-pressed=true]")
    file = folders["INDEX_DIR"] / "feedback.jsonl"
    assert read_questions(file) == []  # nobody has said yet what is right
    turn.locator("button[title='Good answer']").click()
    page.wait_for_selector("button[title='Good answer'][aria-pressed=true]")
    (question,) = read_questions(file)
    assert (question.question, question.answer, question.evidence) == (ZONES, (("13",),), (ZONES_SENTENCE,))
    assert json.loads(file.read_text("utf-8"))["given"]["model"] == "scripted"


def test_by_keyboard_alone(visit, site):
    page = visit(site)
    page.keyboard.type(
        "How large is total food production in North Korea now?"
    )  # the field has the focus from the start
    page.keyboard.press("Enter")
    answered(page)
    for _ in range(40):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.matches('.answer .chip')"):
            break
    focused = page.evaluate("document.activeElement.dataset.quote")
    assert page.locator("#card").is_visible()
    page.keyboard.press("Enter")
    assert marked(page) == focused
    assert page.evaluate("document.activeElement.matches('mark.active')")
    texts = [focused]
    for key in ("Alt+ArrowDown", "n", "p"):
        page.keyboard.press(key)
        page.wait_for_function("(last) => document.querySelector('mark.active')?.textContent !== last", arg=texts[-1])
        texts.append(marked(page))
    assert texts[0] == texts[2]
    assert texts[1] == texts[3] != texts[0]
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.quote") == focused


def test_the_model_is_chosen_in_the_page(visit, site, script):
    page = visit(site)
    page.wait_for_selector("#model option:nth-of-type(2)", state="attached")
    page.select_option("#model", "second")
    page.wait_for_selector(".model:has-text('second')")
    ask(page, ZONES)
    assert " · second · " in answered(page).locator(".foot").inner_text()
    assert script.asked[-1] == ("second", ZONES)


ABOUT = (
    "“Like China, Japan, and the US, North Korea is looking toward Southeast Asia — but with a different goal in "
    "mind.” – "
)


def select_first_sentence(page):
    page.wait_for_selector(".reader .sentence")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.reader .sentence'))")


def test_text_selected_in_the_article_can_be_asked_about(visit, site):
    page = visit(site)
    select_first_sentence(page)
    page.click("#about-this")
    assert page.input_value("#question") == ABOUT
    assert page.evaluate("document.activeElement.id") == "question"


def test_what_is_typed_outlasts_an_edit_a_selection_and_a_reload(visit, site):
    page = visit(site)
    ask(page, ZONES)
    turn = answered(page)
    page.fill("#question", "Why so?")
    turn.locator("button:text-is('Edit')").click()
    assert page.input_value("#question") == ZONES
    select_first_sentence(page)
    page.click("#about-this")
    assert page.input_value("#question") == f"{ABOUT}Why so?"
    page.reload()
    page.wait_for_selector(".turn")
    assert page.input_value("#question") == f"{ABOUT}Why so?"
    page.press("#question", "Enter")  # a second question, no edit of the first
    answered(page, 2)
    page.reload()
    page.wait_for_selector(".turn")
    assert page.input_value("#question") == ""


def drop(page, name, content, place=".library"):
    """Drop a text file, as the browser's own events; whether the page takes it, so that the browser does not."""
    return page.evaluate(
        """([name, content, place]) => {
          const data = new DataTransfer(), target = document.querySelector(place);
          data.items.add(new File([Uint8Array.from(content)], name, {type: 'text/plain'}));
          return ['dragover', 'drop'].every((name) =>
            !target.dispatchEvent(new DragEvent(name, {dataTransfer: data, bubbles: true, cancelable: true})));
        }""",
        [name, list(content), place],
    )


def remove(page, title):
    page.locator(".source", has_text=title).hover()
    for _ in range(2):
        page.click(f"button[aria-label='Remove {title}']")
    page.locator(".source", has_text=title).wait_for(state="detached")


WATCH_CHANGES = """() => {
  const place = document.querySelector('.changes');
  window.lines = []; window.highest = 0;
  const note = () => {
    lines.push(place.textContent);
    highest = Math.max(highest, place.querySelector('p')?.offsetHeight || 0);
  };
  new MutationObserver(note).observe(place, {childList: true, subtree: true, characterData: true});
}"""


def test_a_dropped_file_opens_answers_and_goes_again(visit, site):
    page = visit(site)
    page.evaluate(WATCH_CHANGES)
    drop(page, "harbour.md", ARTICLE.encode())
    page.wait_for_selector(".changes .good")
    assert page.locator(".changes .good").inner_text() == "Added “The harbour of Quillmere”."
    lines = page.evaluate("window.lines")
    assert any(line.startswith("Uploading harbour.md") for line in lines)
    assert any("…" in line and not line.startswith(("Uploading", "Starting")) for line in lines), lines
    assert page.evaluate("window.highest") < 60, "progress is a line or two, not a column of letters"
    page.wait_for_selector(".reader h2:text-is('The harbour of Quillmere')")
    assert not page.locator(".reader .text h3").first.is_visible()  # the title is not said twice
    page.wait_for_selector(".ask-it .suggestions button:text-is('Who is Ada Finch?')")
    assert page.locator(".source").count() == 2

    page.locator(".source", has_text="North Korea").locator("input").uncheck()
    assert page.locator(".scope").inner_text() == "Asking 1 of 2 sources"
    ask(page, "Who opened the harbour of Quillmere in 1911?")
    chip = answered(page).locator(".answer .chip")
    chip.click()
    assert marked(page) == "The harbour of Quillmere was opened by Ada Finch in 1911."
    assert page.locator(".hits > li").count() == 1  # only the chosen source was asked

    remove = page.locator("button[aria-label='Remove The harbour of Quillmere']")
    page.locator(".source", has_text="Quillmere").hover()
    remove.click()
    remove.click()
    page.wait_for_selector(".changes .good:has-text('Removed')")
    page.wait_for_function("document.querySelectorAll('.source').length === 1")
    page.wait_for_selector(".reader h2:has-text('Pivot to ASEAN')")
    chip.click()  # the citation of a source that is gone still says what it was
    page.wait_for_selector(".reader article .fault")
    assert "opened by Ada Finch in 1911" in page.locator(".reader blockquote").inner_text()


@pytest.mark.parametrize("place", ["#question", ".reader .page"])
def test_a_file_dropped_beside_the_library_is_added_too(visit, site, place):
    page = visit(site)
    assert drop(page, "harbour.md", ARTICLE.encode(), place)
    page.wait_for_selector(".changes .good")
    assert page.locator(".library.dropping").count() == 0
    remove(page, "The harbour of Quillmere")


def test_what_cannot_be_uploaded_stops_nothing_else(visit, site, tmp_path):
    page = visit(site)
    heavy, light, lost = (tmp_path / name for name in ("heavy.pdf", "harbour.md", "lost.md"))
    with heavy.open("wb") as file:
        file.truncate(SOURCE_BYTES + 1)
    light.write_text(ARTICLE, "utf-8")
    lost.write_text(ARTICLE, "utf-8")
    page.route("**/gradio_api/upload*", lambda route: route.abort(), times=1)
    page.set_input_files("#files", [heavy, lost, light])
    page.wait_for_selector(".changes .good:text-is('Added “The harbour of Quillmere”.')")
    faults = page.locator(".changes .fault").all_inner_texts()
    assert faults[0] == "heavy.pdf: larger than 50 MB" and faults[1].startswith("lost.md: "), faults
    remove(page, "The harbour of Quillmere")
    visit.visits[0].faults[:] = [one for one in visit.visits[0].faults if "ERR_FAILED" not in one]  # the upload cut off


def test_what_cannot_be_added_or_fetched_again_is_named_with_the_reason(visit, site, folders):
    page = visit(site)
    old = "---\ntitle: Old page\norigin: http://127.0.0.1:9/old\n---\n\nThe old page says little.\n"
    (folders["CORPUS_DIR"] / "old.md").write_text(old, encoding="utf-8")  # the next change takes it in
    page.set_input_files("#files", {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 no"})
    page.wait_for_selector(".changes .fault")
    fault = page.locator(".changes .fault").inner_text()
    assert fault.startswith("broken.pdf: ") and len(fault) > len("broken.pdf: ") + 10
    page.click("#add button[type=submit]")
    page.wait_for_selector(".changes .fault:text-is('Paste the address of an article first, or choose files.')")
    page.fill("#addresses", "/etc/passwd")
    page.click("#add button[type=submit]")
    page.wait_for_selector(".changes .fault:has-text('/etc/passwd is no web address')")
    page.evaluate("document.querySelector('.changes').replaceChildren()")
    page.click("#add button[type=submit]")  # the same again, which ends alike: Gradio tells of no equal value
    page.wait_for_selector(".changes .fault:has-text('/etc/passwd is no web address')")
    page.fill("#addresses", "hello\nhttp://127.0.0.1:9/article")  # the one keeps no other from being tried
    page.click("#add button[type=submit]")
    page.wait_for_selector(".changes .fault:has-text('http://127.0.0.1:9/article: ')")
    page.wait_for_selector(".changes .fault:has-text('hello is no web address')")
    assert set(page.input_value("#addresses").split()) == {"hello", "http://127.0.0.1:9/article"}  # to be mended
    page.wait_for_selector(".source:has-text('Old page')")
    assert page.locator(".source").count() == 2
    page.locator(".source", has_text="Old page").hover()
    page.click("button[aria-label='Fetch Old page again']")
    page.wait_for_selector(".changes .fault:has-text('http://127.0.0.1:9/old: ')")
    remove = page.locator("button[aria-label='Remove Old page']")
    remove.click()
    remove.click()
    page.wait_for_function("document.querySelectorAll('.source').length === 1")


def test_right_to_left_and_chinese_articles(visit, site):
    page = visit(site)
    arabic = "هذا مقال قصير عن البحر. السفن تصل في الصباح."
    drop(page, "sea.txt", arabic.encode())
    page.wait_for_selector(".changes .good")
    page.wait_for_selector(".reader .text p:has-text('السفن')")
    assert page.evaluate("getComputedStyle(document.querySelector('.reader .text p')).direction") == "rtl"
    ask(page, "متى تصل السفن؟")
    answered(page).locator(".answer .chip").click()
    assert marked(page) == "السفن تصل في الصباح."
    assert page.evaluate("getComputedStyle(document.querySelector('.answer')).direction") == "rtl"
    drop(page, "panda.txt", "大熊猫住在山里。熊猫每天吃三十公斤竹子。它们冬天不睡觉。".encode())
    page.wait_for_selector(".reader .text p:has-text('竹子')")
    ask(page, "熊猫每天吃多少竹子？")
    answered(page, 2).locator(".answer .chip").click()
    assert marked(page) == "熊猫每天吃三十公斤竹子。"
    for source in ("sea", "panda"):
        item = page.locator(f".source[data-find='{source}']")
        item.hover()
        item.locator(".remove").click()
        item.locator(".remove").click()
        item.wait_for(state="detached")


class RandomEmbedder(LocalEmbedder):
    """Says that it is the real one and gives random vectors: what is found here is found by its words."""

    def embed(self, texts, on_done=None):
        vectors = np.random.default_rng(len(texts)).standard_normal((len(texts), self.dimension))
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


GULLS = "In the last winter the keeper Ysolde counted 731 gulls at the lighthouse."


@pytest.fixture
def crowded(script, tmp_path):
    """A library of 500 short articles and one of more than 200,000 characters, its point near the end."""
    settings = settings_for(tmp_path)
    for number in range(500):
        place, town = ("bridge", "library", "museum", "station")[number % 4], ("Brno", "Graz", "Lund")[number % 3]
        title, author = f"The {place} of {town}, part {number}", ("Bo Lind", "Cy Ng")[number % 2]
        metadata = Metadata(title, author=author, published=f"{1500 + number}-03-01")
        write_document(settings.corpus_dir, Document(f"The {place} of {town} was opened in {1500 + number}.", metadata))
    chapter = "The sea was grey on that day, and the log of the house has {} lines about the weather. " * 8
    chapters = [chapter.format(*range(number, number + 8)).strip() for number in range(300)]
    text = "\n\n".join([*chapters[:290], GULLS, *chapters[290:]])
    assert len(text) > 200_000
    write_document(settings.corpus_dir, Document(text, Metadata("A log of the house")))
    sync(settings, embedder=RandomEmbedder())
    places = {"CORPUS_DIR": settings.corpus_dir, "INDEX_DIR": settings.index_dir}
    with serving(OPENAI_BASE_URL=script.url, CHAT_MODEL="scripted", **places) as address:
        yield address


LIST_HEIGHT = "document.querySelector('.sources').scrollHeight"


BADGES = """[...document.querySelectorAll('mark[data-number]')].map((mark) =>
  mark.getClientRects()[0].top + parseFloat(getComputedStyle(mark, '::before').marginTop))"""


def test_numbers_in_the_margin_do_not_cover_each_other_and_other_articles_are_told_of(visit, site):
    page = visit(site)
    drop(page, "towns.txt", b"Lund has nine bridges. Brno has six towers.")
    page.wait_for_selector(".reader .text p:has-text('Lund')")
    ask(page, "How many towers has Brno, bridges Lund, and economic zones North Korea?")
    answered(page).locator(".answer .chip").first.click()
    page.wait_for_selector("mark.active")
    told = page.locator(".place").inner_text()
    assert re.fullmatch(r"Citation 1 of \d · \d in another article", told), told
    first, second = page.evaluate(BADGES)
    assert 18 < second - first < 24
    remove(page, "towns")


def test_500_sources_a_long_article_and_a_long_answer(visit, crowded):
    page = visit(crowded)
    assert page.locator(".source").count() == 501
    page.fill("#filter", "1517-03")
    assert page.locator(".source:visible").all_text_contents()[0].startswith("The library of Lund, part 17")
    page.fill("#filter", "graz bridge lind")
    shown = page.locator(".source:visible").all_text_contents()
    assert len(shown) == 42 and all("bridge of Graz" in text for text in shown)
    # What is filtered out leaves no gap: the list is as high as what it shows.
    assert page.evaluate(LIST_HEIGHT) < 42 * 90
    page.click("#choose-all:text-is('Ask only these')")
    assert page.locator(".scope").inner_text() == "Asking 42 of 501 sources"
    page.fill("#filter", "")
    assert page.locator(".chosen").inner_text() == "42 of 501 sources asked"
    page.click("#choose-all:text-is('Ask all')")
    assert page.locator(".scope").inner_text() == "Asking all 501 sources"

    ask(page, "How many gulls did the keeper Ysolde count at the lighthouse?")
    turn = answered(page)
    assert turn.locator(".claim").count() == 16
    assert page.locator(".question").bounding_box()["y"] < 150  # a long answer leaves its question in place
    turn.locator(".chip").first.click()
    assert marked(page) == GULLS
    page.wait_for_function(SEEN)
    assert page.locator(".reader .title").inner_text() == "A log of the house"
    assert axe(page) == []


def test_an_empty_library_and_no_model(visit, run, tmp_path):
    """Without a source the page says what to do; without a model the answer is quotes, and says so."""
    places = {"CORPUS_DIR": tmp_path / "corpus", "INDEX_DIR": tmp_path / "index"}
    places["CORPUS_DIR"].mkdir()
    assert run("ingest", "sync", **places).returncode == 0
    with serving(OPENAI_BASE_URL="http://127.0.0.1:9/v1", CHAT_MODEL="gone", **places) as address:
        page = visit(address)
        page.wait_for_selector(".empty .lead:text-is('The library is empty.')")
        assert axe(page) == []
        ask(page, "Is anything there?")
        assert "There is nothing to answer from." in answered(page).locator(".abstained").inner_text()
        page.set_input_files("#files", {"name": "harbour.md", "mimeType": "text/markdown", "buffer": ARTICLE.encode()})
        page.wait_for_selector(".changes .good")
        ask(page, "Who opened the harbour of Quillmere in 1911?")
        turn = answered(page, 2)
        assert "No model wrote this" in turn.locator(".told").inner_text()
        quote = turn.locator(".claim q").first
        assert quote.inner_text().strip("“”") in " ".join(ARTICLE.split())


def test_a_lost_connection_costs_neither_the_question_nor_the_page(visit, site, script):
    page = visit(site)
    ask(page, "Say slowly how large total food production in North Korea is now")
    page.wait_for_selector(".claim")
    page.route("**/gradio_api/**", lambda route: route.abort())
    page.evaluate("window.room.answered = () => {}")
    page.fill("#addresses", "https://example.org/article")
    page.click("#add button[type=submit]")
    page.wait_for_selector(".model:text-is('The server does not answer.')")
    page.wait_for_selector(".progress.fault:has-text('connection to the server was lost')")
    page.wait_for_selector(".changes .fault:has-text('connection to the server was lost')")
    assert page.input_value("#addresses") == "https://example.org/article"
    page.unroute("**/gradio_api/**")
    script.go()
    page.reload()
    page.wait_for_selector(".turn")
    # Requests that were cut off here, and Gradio's own for /app_id when it could ask again, which our server refuses.
    visit.visits[0].faults.clear()
    script.go()
    page.click("button:text-is('Retry')")
    page.wait_for_function("document.querySelectorAll('.claim').length === 2")


def test_on_a_phone(visit, site):
    page = visit(site, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme="dark")
    ask(page, "How large is total food production in North Korea now?")
    answered(page)
    assert axe(page) == []
    page.locator(".answer .chip").first.tap()
    assert "5.03 million tons" in marked(page)
    assert page.locator(".reader").is_visible() and not page.locator(".desk").is_visible()
    assert axe(page) == []
    page.click("#back")
    assert page.locator(".desk").is_visible()
    page.click(".views button[data-view=library]")
    page.wait_for_selector(".source")
    assert axe(page) == []
    for view in ("library", "chat", "reader"):
        page.click(f".views button[data-view={view}]")
        assert page.evaluate("document.querySelector('.room').scrollWidth <= innerWidth")


def test_on_a_phone_an_added_article_opens(visit, site):
    page = visit(site, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.click(".views button[data-view=library]")
    page.set_input_files("#files", {"name": "harbour.md", "mimeType": "text/markdown", "buffer": ARTICLE.encode()})
    page.wait_for_selector(".reader h2:text-is('The harbour of Quillmere'):visible")
    page.click(".views button[data-view=chat]")
    assert page.locator(".scope").inner_text() == "Asking all 2 sources"
    assert page.evaluate("document.querySelector('.room').scrollWidth <= innerWidth")
    page.click(".views button[data-view=library]")
    remove(page, "The harbour of Quillmere")


def test_without_a_hovering_pointer_every_button_is_in_sight(visit, site):
    page = visit(site, viewport={"width": 1200, "height": 800}, has_touch=True, is_mobile=True)
    page.wait_for_selector(".source")
    assert page.evaluate("matchMedia('(hover: none)').matches")
    assert page.evaluate("getComputedStyle(document.querySelector('.source .remove')).opacity") == "1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_an_answer_with_its_evidence_and_a_fault_of_the_library_are_readable(visit, site, width, scheme):
    page = visit(site, viewport={"width": width, "height": 844}, color_scheme=scheme)
    ask(page, "What is North Korea's food production?")
    answered(page)
    page.click(".evidence summary")
    assert axe(page) == []
    if width < 1000:
        page.click(".views button[data-view=library]")
    page.fill("#addresses", "no address")
    page.click("#add button[type=submit]")
    page.wait_for_selector(".changes .fault")
    assert axe(page) == []


MOVES = """() => {
window.moves = [];
for (const name of ['scrollTo', 'scrollBy', 'animate']) {
  const move = Element.prototype[name];
  Element.prototype[name] = function (...how) {
    moves.push(name === 'animate' ? name : how[0]?.behavior);
    return move.apply(this, how);
  };
}
}"""
RUNNING = "document.getAnimations().filter((one) => one.effect.target.closest('.room')).length"


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_nothing_moves_for_who_wants_no_motion(visit, site, script, motion):
    page = visit(site, reduced_motion=motion)
    page.evaluate(MOVES)
    ask(page, "Say slowly how large total food production in North Korea is now")
    page.wait_for_selector(".progress:visible")
    moving = page.evaluate(RUNNING)
    page.wait_for_selector(".claim")
    script.go()
    answered(page).locator(".chip").first.click()
    page.wait_for_function(SEEN)
    moving = moving or page.evaluate("moves.some((how) => how === 'smooth' || how === 'animate')")
    assert bool(moving) == (motion == "no-preference")


def test_the_weights_of_the_embedded_model_are_not_needed_to_open_the_page(visit, seed_settings, tmp_path):
    """A model that cannot be loaded is told of in one line, and questions are still answered, by quotes."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + os.urandom(1000))
    places = {"CORPUS_DIR": seed_settings.corpus_dir, "INDEX_DIR": seed_settings.index_dir}
    with serving(CHAT_MODEL=broken, **places) as address:
        page = visit(address)
        page.wait_for_selector(".model[data-state=failed]:has-text('No model:')")
        ask(page, ZONES)
        turn = answered(page)
        assert "No model wrote this" in turn.locator(".told").inner_text()
        assert ZONES_SENTENCE in turn.locator(".answer").inner_text()


def test_two_users_of_one_browser_do_not_see_each_others_chats(browser, script, folders):
    """They log in and out by the page; what Alice asked is there again when she is back."""

    def enter(page, user):
        page.fill("input[name=user]", user)
        page.fill("input[name=password]", f"{user}-secret")
        page.press("input[name=password]", "Enter")
        page.wait_for_function("document.querySelector('.scope')?.textContent")

    def leave(page):
        page.click("#logout")
        page.wait_for_selector("input[name=user]")

    models = {"OPENAI_BASE_URL": script.url, "CHAT_MODEL": "scripted"}
    with serving(APP_AUTH="alice:alice-secret,bob:bob-secret", **models, **folders) as address:
        visit = Visit(browser, address)
        page = visit.page
        page.goto(address)
        enter(page, "alice")
        ask(page, ZONES)
        answered(page)
        page.fill("#question", "a draft of Alice's")
        leave(page)
        enter(page, "bob")
        assert page.input_value("#question") == "" and page.locator(".turn").count() == 0
        assert "None yet" in page.inner_text(".chats")
        leave(page)
        enter(page, "alice")
        page.wait_for_selector(".chats button")
        assert "special economic zones" in page.inner_text(".chats")
        visit.check()
        visit.context.close()
