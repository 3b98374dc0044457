// What can be said about a layout without looking at it.

import assert from "node:assert/strict";

/** Nothing makes the page scroll sideways. */
export async function assertFits(page) {
  const { wide, width } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth,
    width: document.documentElement.clientWidth,
  }));
  assert.ok(wide <= width, `the page is ${wide} wide in a window of ${width}`);
}

/** The whole element can be seen without scrolling. */
export async function assertInView(page, locator) {
  const box = await locator.boundingBox();
  const { width, height } = page.viewportSize();
  assert.ok(box, "the element is not shown");
  const inside = box.x >= 0 && box.y >= 0 && box.x + box.width <= width + 1 && box.y + box.height <= height + 1;
  assert.ok(inside, `${JSON.stringify(box)} in ${width}x${height}`);
}
