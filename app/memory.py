"""What memory a model needs, and what is free."""

from pathlib import Path

from app.gguf import attention, parts

# Memory of a loaded model: its weights, its attention cache, and a little for what is computed. Measured with the
# packaged one: 1.2 GB beside the mapped file of 1.1 GB, which is hardly read once its weights are laid out anew.
WORKING_BYTES = 2**28
CACHE_SHARE = 0.25  # of its weights: the attention cache of a file that does not tell its shape
LEAST_CONTEXT = 4096  # tokens: a question with all its evidence and examples


def free_memory(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes that a new process can have without taking them from others; None where the system does not tell.

    Files that are mapped, as the weights of a loaded model are, count as taken, though the system
    could drop them: a model without its weights in memory reads them from the disk for every word.
    """
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text("ascii").splitlines())
        return 1024 * (int(lines["MemAvailable"].split()[0]) - int(lines["Mapped"].split()[0]))
    except (OSError, ValueError, LookupError):
        return None


def needed_memory(weights: Path, context: int) -> float:
    """Bytes that a loaded model takes with an attention cache for `context` tokens; 0 when there is no file."""
    size = sum(part.stat().st_size for part in parts(weights) if part.is_file())
    shape = attention(weights) if size else None
    cache = context * shape.bytes_a_token if shape else CACHE_SHARE * size
    return size + cache + WORKING_BYTES if size else 0


def fitting_context(weights: Path, context: int, slots: int, free: int | None) -> int:
    """Tokens of attention cache for which there is memory: `context`, or a half of it, and so on; 0 when too few.

    Never more than `slots` users can use of a model that was trained on fewer.
    """
    shape = attention(weights)
    context = min(context, slots * shape.context) if shape else context
    while free is not None and needed_memory(weights, context) > free:
        context //= 2
        if context < LEAST_CONTEXT:
            return 0
    return context


def too_big(weights: Path) -> str:
    """One line: there is not enough memory for a model."""
    return (
        f"The model {weights.stem} needs about {needed_memory(weights, LEAST_CONTEXT) / 1e9:.1f} GB of memory "
        f"and {max(free_memory() or 0, 0) / 1e9:.1f} GB are free: end other programs, "
        "or choose a smaller model (CHAT_MODEL)."
    )
