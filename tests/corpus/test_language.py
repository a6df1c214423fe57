"""Languages: declared, guessed from little, or left open."""

import pytest

from components.corpus.language import detect

TEXTS = {
    "en": "Close the valve before the pressure in the boiler rises above ten bar.",
    "de": "Schließen Sie das Ventil, bevor der Druck im Kessel über zehn Bar steigt.",
    "fr": "Fermez la vanne avant que la pression dans la chaudière ne dépasse dix bars.",
    "es": "Cierre la válvula antes de que la presión de la caldera supere los diez bares.",
    "it": "Chiudere la valvola prima che la pressione nella caldaia superi i dieci bar.",
    "pl": "Zamknij zawór, zanim ciśnienie w kotle wzrośnie powyżej dziesięciu barów.",
    "ru": "Закройте клапан, прежде чем давление в котле превысит десять бар.",
    "ja": "ボイラーの圧力が十バールを超える前に弁を閉じてください。",
    "zh": "在锅炉压力超过十巴之前关闭阀门。请每月检查水位和压力表。",
    "ko": "보일러의 압력이 십 바를 넘기 전에 밸브를 닫으십시오.",
    "ar": "أغلق الصمام قبل أن يتجاوز الضغط في الغلاية عشرة بار.",
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_sentence_is_enough(language):
    assert detect(TEXTS[language], "") == language
    assert detect(TEXTS[language] * 50, "") == language


@pytest.mark.parametrize(
    ("declared", "language"),
    [("de", "de"), ("de-AT", "de"), ("DE_at", "de"), (" gsw-CH ", "gsw"), ("zh-Hant-TW", "zh"), ("x-klingon", "en")],
)
def test_a_declared_language_wins_if_it_is_one(declared, language):
    assert detect(TEXTS["en"], declared) == language


@pytest.mark.parametrize("declared", ["", "und", "mul", "english", "e", "{{ page.lang }}", "en;fr", "ZXX"])
def test_what_declares_nothing_leaves_it_to_the_text(declared):
    assert detect(TEXTS["de"], declared) == "de"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "OK",
        "12.5 bar 0x00ff",
        "Name\nType\nValue",
        "Ventil schließen",
        "RunInstances MaxCount MinCount ImageId InstanceType SubnetId",
        "for (i = 0; i < n; i++) { s += a[i]; }",
        "aGVsbG8gd29ybGQgZm9v" * 9,
    ],
)
def test_too_little_or_no_language_is_left_open(text):
    assert detect(text, "") == ""


def test_code_at_the_top_does_not_hide_the_language_below():
    code = "client.close_valve(id=3, name='x', type=int, value=None)\n" * 6
    assert detect(code + TEXTS["de"] * 20, "") == "de"
