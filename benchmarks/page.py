"""How soon a site shows something on a slow link: Chromium, slowed down as Lighthouse does.

    python benchmarks/page.py SITE

Bytes a second, delay and processor are slowed by the browser itself. Each number is the median of
`TRIES` visits with an empty cache, each view opened by its address.
"""

import json
import shutil
import sys
import threading
from pathlib import Path
from statistics import median
from typing import Any

from underpaint.site.serving import server_for

TRIES = 3
BITS_A_SECOND, DELAY_MS, SLOWER = 1.6e6, 150, 4
MEANINGFUL = {
    "": ".touch canvas[data-ready]",
    "explorer": ".grid canvas[data-ready]",
    "layers": ".network button",
    "examples": ".cards img",
    "paint": ".board img.still",
}
"""What each view is there for."""
BUDGET_S = 2.5
"""Of the first view's first meaningful picture."""
SHIFT_BUDGET = 0.1
NOTE = """(() => {
    const look = () => {
        const found = document.querySelector(SELECTOR);
        if (!found || (found.tagName === "IMG" && !found.complete) || window.seenAt) return;
        window.seenAt = performance.now();
    };
    const kinds = { subtree: true, childList: true, attributes: true };
    new MutationObserver(look).observe(document, kinds);
    document.addEventListener("load", look, true);
})()"""
"""The page notes by itself when it is there: a driver that asks again and again comes later."""
SHIFT = """() => new Promise((give) => {
    let sum = 0;
    const seen = (list) => list.getEntries().forEach((each) => (sum += each.value));
    new PerformanceObserver(seen).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => give(sum), 3000);
})"""
"""How much of what is shown moves, by the web's own measure, until all is there."""


def visit(browser: Any, address: str, selector: str) -> tuple[float, float, int, float]:
    """Open a page afresh; give seconds to first paint and picture, bytes, and what moves."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    sent = []
    session.on("Network.loadingFinished", lambda each: sent.append(each["encodedDataLength"]))
    link = {"latency": DELAY_MS, "downloadThroughput": BITS_A_SECOND / 8,
            "uploadThroughput": BITS_A_SECOND / 8, "offline": False}  # fmt: skip
    session.send("Network.emulateNetworkConditions", link)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.add_init_script(NOTE.replace("SELECTOR", json.dumps(selector)))
    page.goto(address, wait_until="commit")
    page.wait_for_selector(selector, timeout=60_000)
    while (noted := page.evaluate("window.seenAt")) is None:
        page.wait_for_timeout(50)
    seen = noted / 1000
    first = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    fetched = sum(sent)
    moved = page.evaluate(SHIFT)
    context.close()
    return (first or float("nan")) / 1000, seen, int(fetched), moved


def main(site: Path) -> None:
    """Print a line for each view that the site has, and whether the first keeps its budget."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    with server_for(site, port=0) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        print(f"{BITS_A_SECOND / 1e6} Mbit/s, {DELAY_MS} ms, processor {SLOWER}× slower")
        for view, selector in MEANINGFUL.items():
            if view == "paint" and not (site / "data" / "paint").is_dir():
                continue
            address = f"http://localhost:{server.server_port}/#/{view}"
            tries = [visit(browser, address, selector) for _ in range(TRIES)]
            first, seen, fetched, moved = (median(each) for each in zip(*tries, strict=True))
            is_kept = seen <= BUDGET_S and moved <= SHIFT_BUDGET
            kept = f"; {BUDGET_S} s, shift {SHIFT_BUDGET} {'kept' if is_kept else 'missed'}"
            print(
                f"{view or 'story'}: first paint {first:.2f} s, picture {seen:.2f} s, "
                f"{fetched / 1e3:.0f} kB, shift {moved:.3f}{'' if view else kept}"
            )
        browser.close()
        server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
