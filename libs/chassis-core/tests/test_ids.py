import time
from uuid import UUID

from chassis_core.ids import uuid7, uuid7_text


def test_an_id_is_a_version_7_uuid_of_the_rfc_variant():
    made = uuid7()
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


def test_ids_sort_by_the_millisecond_they_were_made_in():
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert before <= made.int >> 80 <= after


def test_the_text_of_an_id_is_that_of_a_uuid():
    text = uuid7_text()
    assert str(UUID(text)) == text
    assert UUID(text).version == 7


def test_ten_thousand_ids_are_all_different():
    assert len({uuid7() for _ in range(10_000)}) == 10_000
