"""The page in Chromium, at two widths, in light and dark, by keyboard: page_client.py URL PICTURE."""
import os
import sys
import time

from playwright.sync_api import sync_playwright

url, picture = sys.argv[1:]
browser = next(p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome") if os.path.exists(p))


def until(fine):
    for _ in range(600):
        if fine():
            return
        time.sleep(0.1)
    raise AssertionError("it does not come")


with sync_playwright() as p:
    chromium = p.chromium.launch(executable_path=browser, args=["--no-sandbox"])
    for width, scheme in (1280, "light"), (390, "dark"):
        page = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme).new_page()
        asked, wrong = [], []
        page.on("request", lambda r: asked.append(r.url))
        page.on("pageerror", lambda e: wrong.append(str(e)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.goto(url)
        page.wait_for_selector("#paint:not([hidden])")
        # painted as it becomes, by keyboard
        page.focus("#prompt")
        page.keyboard.type("green tree")
        page.keyboard.press("Control+Enter")
        until(lambda: page.locator("#canvas img").count() == 1)
        assert page.locator("#gallery li").count() == 0, "only the image at the end is shown"
        until(lambda: page.locator("#gallery li").count() == 1)
        # stopped
        page.keyboard.press("Control+Enter")
        until(lambda: "step" in page.text_content("#painted"))
        page.keyboard.press("Escape")
        until(lambda: page.is_enabled("#go"))
        assert page.locator("#gallery li").count() == 1
        # an image looked at
        page.focus("#tab-paint")
        page.keyboard.press("ArrowRight")
        page.set_input_files("#file", picture)
        until(lambda: page.locator("#classlist li").count() == 5 and len(page.text_content("#caption")) > 5)
        assert page.text_content("#classlist li span") == "cat"
        page.focus("#question")
        page.keyboard.press("Enter")
        until(lambda: len(page.text_content("#answer")) > 2)
        page.focus("#view")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        until(lambda: "pixels" in page.text_content("#masked"))
        with page.expect_download():
            page.click("#save")
        page.click("#picture", position={"x": 20, "y": 20}, modifiers=["Shift"], force=True)
        until(lambda: "pixels" in page.text_content("#masked"))
        # a folder searched
        page.focus("#tab-look")
        page.keyboard.press("End")
        page.set_input_files("#folder", os.path.dirname(picture))
        until(lambda: page.is_enabled("#find"))
        page.fill("#query", "a red car")
        page.keyboard.press("Enter")
        page.wait_for_selector("#found li")
        assert "automobile" in page.text_content("#found li")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it is wider than the window"
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (scheme == "dark") == (int(ground.split("(")[1].split(",")[0]) < 128), ground
        foreign = [a for a in asked if not a.startswith((url, "data:", "blob:"))]
        assert not foreign and not wrong, (foreign, wrong)
    chromium.close()
print("fine")
