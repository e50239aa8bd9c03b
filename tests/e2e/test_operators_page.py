"""The operators' page on the real stack: a bad file is seen, mended and retried."""

import re
import time

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import operator
from tests.e2e.service import Service

pytestmark = pytest.mark.stack


def test_an_operator_sees_a_bad_file_and_retries_it_once_it_is_mended(chromium: Browser, service: Service) -> None:
    service.configure(service.row("seen"))
    service.land("seen", "good.csv")
    service.land("seen", "bad.csv", "id,name\n1\n")
    load = service.ended(service.post()["id"])
    with operator(chromium, service.stack.functions_url, service.stack.function_key) as someone:
        someone.page.set_default_timeout(60_000)
        someone.at(f"#loads?lob={service.lob}")
        expect(someone.loads()).to_have_count(1)
        expect(someone.loads()).to_contain_text("2: 1 loaded, 1 quarantined")
        someone.loads().get_by_role("link").click()
        bad = someone.files().filter(has_text=f"{service.lob}/seen/bad.csv")
        expect(bad).to_contain_text("TOO_MANY_REJECTS", timeout=60_000)
        time.sleep(1.1)  # the file's next version is one of a later second
        service.land("seen", "bad.csv", "id,name\n1,mended\n")
        someone.page.get_by_role("button", name="Retry").click()
        expect(someone.fact("Retry of")).to_have_text(load["id"], timeout=30_000)
        expect(someone.heading()).to_contain_text("SUCCESS", timeout=120_000)
        expect(someone.files()).to_have_text(re.compile("bad.csv.*SUCCESS", re.DOTALL), timeout=60_000)
        someone.page.get_by_role("link", name="Feeds").click()
        expect(someone.rows(re.compile("UTC")).filter(has_text=f"{service.lob} / things / seen")).to_have_count(1)
