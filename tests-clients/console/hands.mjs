// Two ways to work with a page: by mouse, and by keyboard alone.

/** Clicks what it means, and types into it. */
export class Mouse {
  constructor(page) {
    this.page = page;
  }

  async press(target) {
    await target.click();
  }

  async type(target, text) {
    await target.click();
    await target.fill(text);
  }

  async choose(target, label) {
    await target.selectOption({ label });
  }
}

/** Goes to what it means by Tab, and presses it. What cannot be reached so, or is covered when it is, is a fault. */
export class Keyboard {
  constructor(page) {
    this.page = page;
  }

  async press(target) {
    const kind = await target.getAttribute("type");
    if (kind === "radio") {
      await this.#pick(target);
      return;
    }
    await this.#reach(target);
    await this.page.keyboard.press(kind === "checkbox" ? "Space" : "Enter");
  }

  async type(target, text) {
    await this.#reach(target);
    await this.page.keyboard.press("Control+A");
    await this.page.keyboard.type(text);
  }

  async choose(target, label) {
    await this.#reach(target);
    // A closed list goes to the entry that is typed.
    await this.page.keyboard.type(label);
  }

  /** Of radio buttons of one name Tab reaches one; the arrows lead to the others. */
  async #pick(target) {
    const name = await target.getAttribute("name");
    const group = this.page.locator(`input[type=radio][name="${name}"]:focus`);
    await this.#tab(async () => (await group.count()) > 0, name);
    await this.page.keyboard.press("Space");
    for (let step = 0; step < 20 && !(await target.isChecked()); step += 1) await this.page.keyboard.press("ArrowDown");
    if (!(await target.isChecked())) throw new Error(`${name}: not reached by arrows`);
  }

  async #reach(target) {
    await target.waitFor({ state: "visible" });
    await this.#tab(() => target.evaluate((one) => one === document.activeElement), String(target));
    const isCovered = await target.evaluate((one) => {
      const { left, top, width, height } = one.getBoundingClientRect();
      const found = document.elementFromPoint(left + width / 2, top + height / 2);
      return !(one === found || one.contains(found) || found?.contains(one));
    });
    if (isCovered) throw new Error(`${target}: covered when it has the focus`);
  }

  async #tab(isThere, what) {
    for (let step = 0; step < 400; step += 1) {
      if (await isThere()) return;
      await this.page.keyboard.press("Tab");
    }
    throw new Error(`${what}: not reached by Tab`);
  }
}
