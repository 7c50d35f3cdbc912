"""Words of every script: what belongs to one, which are the same, and what the stages find by them."""

from __future__ import annotations

import random
import sys
import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus
from ablate.pool.source import Document
from ablate.stages._references import References
from ablate.stages.base import SpanRelation
from ablate.stages.decontamination import NGRAM, RATIO, FindItems, pieces
from ablate.stages.line_dedup import LineDedup
from ablate.stages.minhash_dedup import MinhashDedup
from ablate.stages.substring_dedup import SubstringDedup
from ablate.text.scripts import IGNORED, JOINERS, SIGNS, UNSPACED
from ablate.text.segments import sentence_spans
from ablate.text.text_norm import word_hashes, word_hashes_many, word_spans, words

SPACED = {
    "Latin": "abcdefghijklmnop",
    "Cyrillic": "абвгдежзиклмноп",
    "Greek": "αβγδεζηθικλμνξο",
    "Hebrew": "אבגדהוזחטילמנסע",
    "pointed Hebrew": [
        "ב\u05b0",
        "ג\u05b8",
        "ד\u05bc\u05b7",
        "ה",
        "ו\u05b9",
        "ז\u05b5",
        "ל\u05b4",
        "מ\u05b6",
        "נ",
    ],
    "Arabic": "ابتثجحدرسعفقلمن",
    "pointed Arabic": [
        "ب\u064e",
        "ت\u0650",
        "د\u0651\u064f",
        "ر\u0652",
        "س",
        "ع\u064e",
        "ف\u0650",
        "ق\u064c",
        "ل",
    ],
    "Devanagari": ["क", "का", "कि", "की", "कु", "के", "को", "क्ष", "म", "मा", "मि", "मो", "र्त", "ल", "ली"],
    "Bengali": ["ক", "কা", "কি", "কী", "কু", "কে", "কো", "ক্ষ", "ম", "মা", "মি", "মো", "র্ত", "ল", "লী"],
    "Tamil": ["க", "கா", "கி", "கீ", "கு", "கே", "கொ", "க்", "ம", "மா", "மி", "மொ", "ல", "லீ"],
    "Vietnamese": [unicodedata.normalize("NFD", letter) for letter in "aăâbdeêghioôơuưy"],
    "Korean": "가나다라마바사아자차카타파하",
    "Tibetan": ["བོད", "ཡིག", "སྐད", "རྒྱ", "མི", "ས", "ལྷ", "དགེ", "ཆོས", "ཁྱི"],
    "Ethiopic": "ሀለሐመሠረሰሸቀበተኀነአከ",
}
UNSPACED_ALPHABETS = {
    "Chinese": "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏",
    "Japanese": "あいうえおかきがぎさしすたちつてとなにぬアイウエ山川田人",
    "Thai": ["ก", "ขา", "คิ", "งี", "จุ", "ชู", "ดี่", "ต้", "เ", "น", "บั", "ปื่", "พ", "มำ", "ร", "ล"],
    "Lao": ["ກ", "ຂາ", "ຄິ", "ງີ", "ຈຸ", "ຊູ", "ດີ່", "ຕ້", "ເ", "ນ", "ບັ", "ປື່", "ພ", "ມຳ", "ຣ", "ລ"],
    "Khmer": ["ក", "ខា", "គិ", "ងី", "ចុ", "ជូ", "ដេ", "តៃ", "ន", "ប្រ", "ព", "ម", "យ៉", "រ", "ល"],
    "Burmese": ["က", "ခါ", "ဂိ", "ငီ", "စု", "ဆူ", "ည်", "တေ", "န့်", "ပြ", "ဖျ", "မ", "ယ", "ရှ", "လွ"],
    "Javanese": ["ꦏ", "ꦒꦶ", "ꦔꦸ", "ꦕꦺ", "ꦗ", "ꦠꦴ", "ꦢ꧀", "ꦤ", "ꦥ", "ꦧ", "ꦩꦶ", "ꦪ"],
    "Yi": "ꀀꀁꀂꀃꀄꀅꀆꀇꀈꀉꀊꀋꀌꀍ",
}
ALPHABETS: dict[str, str | list[str]] = {**SPACED, **UNSPACED_ALPHABETS}


def passage(script: str, seed: int, n_words: int = 120, in_line: int = 12) -> list[str]:
    """Lines of made-up words of a script."""
    draw = random.Random(f"{script} {seed}")
    alphabet = ALPHABETS[script]
    blank = "" if script in UNSPACED_ALPHABETS else "་" if script == "Tibetan" else " "
    made = ["".join(draw.choices(alphabet, k=draw.randint(2, 5))) for _ in range(n_words)]
    return [blank.join(made[i : i + in_line]) for i in range(0, n_words, in_line)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("यह शब्द कुल है।", ["यह", "शब्द", "कुल", "है"]),
        ("ভাষা ও কিতাব।", ["ভাষা", "ও", "কিতাব"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("बिना\u200dजोड़", ["बिनाज\u094bड\u093c"]),  # the joiner ties, and makes no difference
        ("نمی\u200cخواهم رفت", ["نمیخواهم", "رفت"]),
        ("བོད་ཡིག་གི་སྐད།", ["བོད", "ཡིག", "གི", "སྐད"]),
        ("天气 mild 3.5度", ["天", "气", "mild", "0", "度"]),
        ("iPhone手机", ["iphone", "手", "机"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("ก\u200bข", ["ก", "ข"]),
        ("カタカナ ｶﾀ", ["カ", "タ", "カ", "ナ", "ｶ", "ﾀ"]),
        ("學而時習之，不亦說乎", list("學而時習之不亦說乎")),
        ("대한민국은 민주공화국이다.", ["대한민국은", "민주공화국이다"]),
        ("ދިވެހި ބަސް", ["ދިވެހި", "ބަސް"]),
        ("٣٤ تفاحة", ["0", "تفاحة"]),
        ("\u0301 \u093f", ["\u093f"]),  # a vowel sign on its own stays, an accent on nothing does not
    ],
)
def test_words_by_hand(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("كِتَابٌ جَدِيدٌ", "كتاب جديد"),
        ("كتـــاب", "كتاب"),
        ("أَحْمَدُ إِلَى آخِرِ", "احمد الى اخر"),
        ("שָׁלוֹם עוֹלָם", "שלום עולם"),
        ("\ufb2a\ufb2b", "שש"),
        ("ܫܠܳܡܳܐ", "ܫܠܡܐ"),
        ("ёлка", "елка"),
        ("葛\U000e0100城", "葛城"),
        ("ถนน\u200bสุขุมวิท", "ถนนสุขุมวิท"),
        ("今日は\n晴れ です", "今日は晴れです"),
    ],
)
def test_points_variants_and_blanks_make_no_other_word(one: str, other: str) -> None:
    assert words(one) == words(other)
    np.testing.assert_array_equal(word_hashes(one), word_hashes(other))


@pytest.mark.parametrize(
    "different",
    [
        "कल काल किल कील कुल कूल केल कैल कोल कौल क्ल कंल",
        "কল কাল কিল কুল",
        "கல் கால் கில்",
        "ไม ไม่ ไม้",
        "か が",
        "は ば ぱ",
        "ދަ ދި",
    ],
)
def test_vowel_signs_tones_and_voicing_make_another_word(different: str) -> None:
    found = [tuple(words(word)) for word in different.split()]
    assert len(set(found)) == len(found)


ANY = st.one_of(
    st.text(
        st.sampled_from([chr(code) for code in (*IGNORED, *SIGNS)])
        | st.sampled_from("aé中ก한 \n1.。ـक")
        | st.characters()
    ),
    st.sampled_from(sorted(ALPHABETS)).flatmap(
        lambda script: st.lists(
            st.sampled_from([*ALPHABETS[script], " ", "\n", ".", "。", "7"]), max_size=30
        ).map("".join)
    ),
)


@settings(max_examples=300, deadline=None)
@given(ANY)
@example("\u1100\u1161\u11a8")
@example("\U0001d15e")
def test_no_letter_and_no_mark_on_a_letter_is_lost(text: str) -> None:
    inside = {place for begin, end in word_spans(text) for place in range(begin, end)}
    for place, character in enumerate(text):
        kind = unicodedata.category(character)
        before = place > 0 and place - 1 in inside and not text[place - 1].isdecimal()
        if (kind[0] == "L" and ord(character) not in JOINERS) or (kind[0] == "M" and before):
            assert place in inside, (place, character)
    assert len(words(text)) == len(word_spans(text))
    assert all(words(text))


@settings(max_examples=300, deadline=None)
@given(ANY)
def test_canonically_equivalent_texts_have_the_same_words(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert words(text) == words(composed) == words(decomposed)


def test_every_character_hashes_as_its_composed_form() -> None:
    points = [chr(number) for number in range(sys.maxunicode + 1) if not 0xD800 <= number < 0xE000]
    one_by_one = word_hashes_many([f"a {point} b" for point in points])
    composed = word_hashes_many([unicodedata.normalize("NFC", f"a {point} b") for point in points])
    for found, expected in zip(one_by_one, composed, strict=True):
        np.testing.assert_array_equal(found, expected)


@settings(max_examples=300, deadline=None)
@given(ANY, ANY, st.sampled_from(["\n", "\r\n", " ", "\u3000", "\u2028"]))
def test_what_stands_around_makes_no_difference(one: str, other: str, between: str) -> None:
    assert words(f"{between}{one}{between}") == words(one)
    assert words(one + between + other) == words(one) + words(other)


def test_ranges_are_ascending_and_apart() -> None:
    ranges = sorted((first, end) for first, end, _ in UNSPACED)
    assert all(first < end for first, end in ranges)
    assert all(end <= later for (_, end), (later, _) in pairwise(ranges))


@pytest.fixture
def curate(make_pool, store):
    """The texts that are left of one stage."""

    def run(stage, texts):
        pool = make_pool(store, [Document(text) for text in texts])
        annotations = Annotations(pool, store, workers=1)
        corpus = build_corpus([stage], annotations)
        return [text for _, text in annotations.texts(corpus.version, corpus.rows)]

    return run


def edited(lines: list[str], script: str) -> list[str]:
    """The passage with one word of the fifth line replaced, and a line behind it."""
    other = passage(script, 99, 20, 10)
    return [*lines[:4], other[0], *lines[5:], other[1]]


@pytest.mark.parametrize("script", ALPHABETS)
def test_a_near_copy_is_found_and_another_passage_is_not(script: str, curate) -> None:
    lines = passage(script, 0, 600)
    texts = [
        "\n".join(lines),
        "\n".join(edited(lines, script)),
        *("\n".join(passage(script, n, 600)) for n in (1, 2, 3)),
    ]
    left = curate(MinhashDedup(keep="first"), texts)
    assert left == [texts[0], *texts[2:]]


@pytest.mark.parametrize("script", ALPHABETS)
def test_lines_and_substrings_are_found(script: str, curate) -> None:
    first, second = passage(script, 1), passage(script, 2)
    texts = ["\n".join(first), "\n".join([*second[:5], *first[2:9], *second[5:]])]
    for stage in (LineDedup(keep="first"), SubstringDedup(keep="first")):
        assert isinstance(stage, SpanRelation)
        left = curate(stage, texts)
        assert left[0] == texts[0]
        assert not any(line in left[1] for line in first[3:8])
        assert all(
            line in left[1] for line in [*second[:4], *second[6:]]
        )  # beside the copy, a character may be alike


@pytest.mark.parametrize("method", [None, *RATIO])
@pytest.mark.parametrize("script", ALPHABETS)
def test_a_leak_is_found_and_a_clean_text_is_not(script: str, method: str | None) -> None:
    item = passage(script, 5, 24, 12)
    references = References.of(
        [" ".join(item), " ".join(passage(script, 6, 16))], NGRAM[method or "ngram"], 8
    )
    assert len(references.names) == 2
    ratio = RATIO.get(method or "", 0.0)
    finder = FindItems(references=references, in_order=method == "cosmopedia", ratio=ratio)
    around = passage(script, 7)
    leak, clean = "\n".join([*around[:5], *item, *around[5:]]), "\n".join(around)
    assert [found.reference for found in finder.found(leak) if finder.given_away(found.share)] == [0]
    assert finder.found(clean) == []
    assert not any(item[0][3:-3] in piece for piece in pieces(leak, references, 0))


def test_points_do_not_hide_a_leak() -> None:
    item = "ما هي عاصمة الدولة التي تقع على ضفاف النهر الكبير في شمال القارة السوداء وكم سكانها"
    pointed = "مَا هِيَ عَاصِمَةُ الدَّوْلَةِ الَّتِي تَقَعُ عَلَى ضِفَافِ النَّهْرِ الْكَبِيرِ فِي شَمَالِ الْقَارَّةِ السَّوْدَاءِ وَكَمْ سُكَّانُهَا"
    assert FindItems(references=References.of([item], 13, 8)).measure(f"سؤال: {pointed}؟")["share"] == 1.0


def test_a_long_name_is_no_leak_where_a_character_is_no_word() -> None:
    """15 characters, about ten words: the name of a congress that any text may have."""
    name = "中国共产党第十九次全国代表大会"
    references = References.of([f"关于{name}的召开时间和地点下列哪一项说法是正确的"], 13, 8)
    assert len(references.names) == 1
    finder = FindItems(references=references)
    assert finder.measure(f"昨天{name}在北京闭幕")["hits"] == 0
    assert finder.measure(f"问{references.texts[0]}答")["share"] == 1.0


def test_a_formula_of_a_few_characters_is_not_looked_for() -> None:
    references = References.of(["下列正确的是哪一项", "ข้อใดถูกต้อง", "which one is right"], 13, 8)
    assert references.names == ()


def test_sentences_of_scripts_without_blanks() -> None:
    def cut(text: str) -> list[str]:
        return [text[begin:end] for begin, end in sentence_spans(text)]

    assert cut("今天下雨。“明天呢？”他问。不知道！") == ["今天下雨。“", "明天呢？”", "他问。", "不知道！"]
    assert cut("雨だ。\n雪だ。風だ") == ["雨だ。", "雪だ。", "風だ"]
    assert cut("वर्षा हुई। फिर धूप।रात।") == ["वर्षा हुई।", "फिर धूप।", "रात।"]
    assert cut("ភ្លៀង។ ខ្យល់។") == ["ភ្លៀង។", "ខ្យល់។"]


def test_three_sentences_of_chinese(curate) -> None:
    shared = "山上有一座旧庙。庙里住着一位老人。他每天清晨都去打水。"
    texts = [f"很久以前的事。{shared}后来下雪了。", f"这是另一个故事。{shared}故事讲完了。"]
    assert curate(LineDedup(unit="three_sentences", keep="first"), texts) == [
        texts[0],
        "这是另一个故事。 故事讲完了。",
    ]
