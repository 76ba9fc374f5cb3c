"""Dates as people print them, in the languages that we know the months of: "12. März 2024", "2024年3月12日".

A day, a month and a year must all be there, and no other date beside them: else nothing is known.
"""

import re
import unicodedata

from ingest.readers.build import iso_date

# January first; in English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Czech, Russian,
# Ukrainian, Turkish, Scandinavian languages, Indonesian and Arabic. A line that is indented goes on.
_MONTHS = """
jan januar janvier enero ene gennaio gen janeiro januari styczeń stycznia leden ledna янв января
  січня ocak يناير كانون\u00a0الثاني
feb februar february fév févr février febrero febbraio fevereiro fev februari luty lutego únor února
  фев февраля лютого şubat فبراير شباط
mar march märz mrz mars marzo março maart mrt marzec marca březen března мар марта березня mart
  maret مارس آذار
apr april avr avril abril abr aprile kwiecień kwietnia duben dubna апр апреля квітня nisan أبريل
  إبريل نيسان
may mai mayo maggio mag maio mei maj maja květen května мая травня mayıs مايو أيار
jun june juni juin junio giugno giu junho czerwiec czerwca červen června июн июня червня haziran
  يونيو حزيران
jul july juli juil juillet julio luglio lug julho lipiec lipca červenec července июл июля липня
  temmuz يوليو تموز
aug august août aout agosto ago augustus sierpień sierpnia srpen srpna авг августа серпня ağustos
  agustus augusti أغسطس آب
sep sept september septembre septiembre settembre set setembro wrzesień września září сен сентября
  вересня eylül سبتمبر أيلول
oct okt october oktober octobre octubre ottobre ott outubro out październik października říjen října
  окт октября жовтня ekim أكتوبر تشرين\u00a0الأول
nov november novembre noviembre novembro listopad listopada listopadu ноя ноября листопада kasım
  نوفمبر تشرين\u00a0الثاني
dec dez december dezember décembre déc diciembre dic dicembre dezembro grudzień grudnia prosinec
  prosince дек декабря грудня aralık desember ديسمبر كانون\u00a0الأول
"""
_NUMBER = {
    name.replace("\u00a0", " "): number
    for number, line in enumerate(_MONTHS.strip().replace("\n  ", " ").split("\n"), 1)
    for name in line.split(" ")
}
_NAME = "|".join(sorted(map(re.escape, _NUMBER), key=len, reverse=True))
_DATE = re.compile(
    rf"(?<![\w./-])(?:"
    rf"(?P<day1>\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?,? (?:de |of )?(?P<month1>{_NAME})\.?,? (?:de "
    rf"|del )?(?P<year1>\d{{4}})"
    rf"|(?P<month2>{_NAME})\.? (?P<day2>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year2>\d{{4}})"
    r"|(?P<year3>\d{4}) ?[年년] ?(?P<month3>\d{1,2}) ?[月월] ?(?P<day3>\d{1,2}) ?[日일]"
    r"|(?P<year4>\d{4})[-/.](?P<month4>\d{1,2})[-/.](?P<day4>\d{1,2})"
    r"|(?P<day5>\d{1,2})\. ?(?P<month5>\d{1,2})\. ?(?P<year5>\d{4})"
    r"|(?P<day6>1[3-9]|2\d|3[01])[/-](?P<month6>\d{1,2})[/-](?P<year6>\d{4})"
    r"|(?P<month7>\d{1,2})[/-](?P<day7>1[3-9]|2\d|3[01])[/-](?P<year7>\d{4})"
    r")(?![\w/-])",
    re.IGNORECASE,
)
# What may stand beside the date of a publication: words for it, a day of the week, a time.
_LABEL = re.compile(
    r"(?:first )?(?:published|posted|publication date|date|released|created|written|submitted|issued)(?: (?:on|at))?"
    r"|(?:veröffentlicht|erschienen|erstellt|stand)(?: am)?|datum|publié(?:e)?(?: le)?|mis en ligne(?: le)?"
    r"|publicado(?: el| em)?"
    r"|fecha|data|pubblicato(?: il)?|gepubliceerd(?: op)?|publicerad|publisert|opublikowano|опубликовано|дата"
    r"|نشر(?: في)?"
    r"|公開日?|掲載日?|投稿日?|発売日?|发布(?:时间|于)?|发表于|日期|입력|등록",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    r"updat|modif|edited|revis|aktualisiert|geändert|mis à jour|actualizad|atualizad|aggiornat|bijgewerkt|更新"
    r"|обновлен|تحديث|수정",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"\d{1,2}(?:[:.h]| ?時| ?时)\d{2}(?:[:分]\d{0,2})?(?:分)?(?: ?[ap]\.?m\.?)?(?: ?uhr)?(?: (?:utc|gmt"
    r"|c?e[sd]t|[cmp][sd]t|bst|ist|cet))?"
    r"|\d{1,2} ?(?:uhr|[ap]m)",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(
    r"\b(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b|\b(?:montag|dienstag|mittwoch"
    r"|donnerstag|freitag"
    r"|samstag|sonnabend|sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|miércoles"
    r"|jueves|viernes"
    r"|sábado|domingo)\b|[（(]?[月火水木金土日](?:曜日)?[)）]",
    re.IGNORECASE,
)
_BESIDE = re.compile(
    r"\b(?:on|at|am|le|el|il|um|à|by|min(?:ute)?s? read|\d+ min(?:ute)?s?(?: read)?)\b|[\W_]+", re.IGNORECASE
)
_PARTS = re.compile(r"\s+[|·•–—/]\s+|\s*[|·•]\s*")
_DIGITS = {ord(char): str(unicodedata.digit(char)) for char in "٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹０１２３４５６７８９"}


def written_date(text: str) -> str | None:
    """The one date in a line of text as ISO 8601; None when there is none or more than one."""
    days = {day for match in _DATE.finditer(_digits(text)[:500]) if (day := _day(match))}
    return next(iter(days)) if len(days) == 1 else None


def publication_date(line: str) -> str | None:
    """The date of a short line that says nothing else: "Published on 1 June 2024", "June 1, 2024 | Ann Lee".

    None for a line that tells when something else is ("The fair is on 1 July 2024") or was changed.
    """
    line = _digits(line)
    changed = _CHANGED.search(line)
    stated = line[: changed.start()].rstrip(" ,;(|") if changed else line
    days = {day for part in _PARTS.split(stated) if (day := written_date(part)) and _only_date(part)}
    return next(iter(days)) if len(days) == 1 else None


def tells_change(text: str) -> bool:
    """Whether a label speaks of an update: "Last modified:"."""
    return bool(_CHANGED.search(text))


def tells_publication(text: str) -> bool:
    """Whether a line begins with a word for its publication: "Posted on"."""
    return bool(_LABEL.match(text.strip(" \t[(:-")))


def _only_date(part: str) -> bool:
    rest = _DATE.sub(" ", part)
    for pattern in (_LABEL, _CLOCK, _WEEKDAY, _BESIDE):
        rest = pattern.sub(" ", rest)
    # After "published" or the like may stand who did it; else the date must be alone.
    return len(rest.split()) <= (6 if tells_publication(part) else 0)


def _day(match: re.Match[str]) -> str | None:
    parts = {key.rstrip("1234567"): value for key, value in match.groupdict().items() if value}
    month = parts["month"] if parts["month"].isdigit() else str(_NUMBER.get(parts["month"].lower(), 0))
    return iso_date(f"{parts['year']}-{month:0>2}-{parts['day']:0>2}")


def _digits(text: str) -> str:
    return " ".join(text.translate(_DIGITS).split())
