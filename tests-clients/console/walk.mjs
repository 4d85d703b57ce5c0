// Walks through the console in a real browser: the jobs of the people who work with it, by mouse, by keyboard and without
// scripts, and looks at every page with axe-core. Prints a line for each check, and keeps a picture of each page.
import { mkdirSync, readFileSync } from "node:fs";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";
import { CANARY, PASSWORD, Register, example } from "./register.mjs";

const [binary, pictures = "pictures", database] = process.argv.slice(2);
const browserPath = process.env.CHROMIUM ?? "/usr/bin/chromium";
mkdirSync(pictures, { recursive: true });

let passed = 0;
let failed = 0;

async function check(name, work) {
  try {
    await work();
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}: ${error.stack ?? error}`);
  }
}

function assert(is, what) {
  if (!is) throw new Error(what);
}

const register = await Register.start(binary, database);
const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
const people = {};

/** Opens a browser of its own: somebody with a language, a theme, and perhaps without scripts. */
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB", ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.message));
  page.on("console", (said) => said.type() === "error" && page.faults.push(said.text()));
  page.setDefaultTimeout(20_000);
  return page;
}

async function signIn(page, name) {
  await page.goto(register.console);
  await page.fill("#name", name);
  await page.fill("#password", PASSWORD);
  await Promise.all([page.waitForURL(/\/find$/), page.press("#password", "Enter")]);
}

const text = (page) => page.locator("main").innerText();
const inTenant = (rest) => `${register.console}/console/tenants/demo/${rest}`;

async function prepare() {
  const settings = {
    model: "TOL",
    review_policy: "review",
    activation_requires: ["identifiers"],
    offboarding_waits_for: ["operator"],
    deactivation_takes_two: true,
  };
  await register.operate("PATCH", "/tenants/demo/settings", { settings, reason: "for the walk" });
  // A setting is in force within a second.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await register.operator("ines", ["support", "compliance"]);
  await register.operator("priya", ["compliance"]);
  await register.operator("viewer", ["viewer"], "demo");
  await register.operator("anna", ["administrator", "auditor", "compliance", "support"]);
  await register.operator("ruth", ["administrator"]);
  people.johanna = register.person({ first_name: "Johanna", last_name: "Mayer", birth_date: "1983-05-03", nationalities: ["PL", "CH"] });
  people.marta = register.person({ first_name: "Marta", last_name: "Lang", birth_date: "1991-02-14" });
  people.leaver = register.person({ first_name: "Lea", last_name: "Verlasser", birth_date: "1985-01-01" });
  people.canary = register.person({ first_name: CANARY, last_name: CANARY, birth_city: CANARY });
  for (const last_name of ["Lang-Okafor", "Okafor", CANARY]) {
    const change = { ...example("change-name"), first_name: "Marta", last_name };
    register.call("POST", `/users/${people.marta.id}/data_change_requests`, change);
  }
  register.call("DELETE", `/users/${people.leaver.id}`);
  // Nobody listens there.
  const webhook = { ...example("create-webhook"), title: CANARY, url: "https://localhost:9/hooks", enabled: true, type: ["ALL"] };
  people.webhook = register.call("POST", "/webhooks", webhook);
}

/** Everything that axe-core finds wrong with a page (WCAG 2.2 AA), menus open, too. */
async function axe(page, name) {
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => one.setAttribute("open", "")));
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  const found = violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).slice(0, 3).join(" | ")}`);
  assert(found.length === 0, `${name}: ${found.join("\n")}`);
}

async function everyPage(page) {
  const first = register.call("GET", `/users/${people.marta.id}`);
  const waiting = (await register.operate("GET", "/tenants/demo/reviews")).data;
  return {
    find: inTenant("find"),
    person: inTenant(`people/${people.johanna.id}`),
    changed: inTenant(`people/${first.id}`),
    hostile: inTenant(`people/${people.canary.id}`),
    leaver: inTenant(`people/${people.leaver.id}`),
    queue: inTenant("queue"),
    decision: inTenant(`queue/${waiting[0]?.id}`),
    webhooks: inTenant("webhooks"),
    webhook: inTenant(`webhooks/${people.webhook.id}`),
    package: inTenant(`webhooks/${people.webhook.id}/packages/1`),
    clients: inTenant("clients"),
    proposals: `${register.console}/console/proposals`,
    record: `${register.console}/console/record`,
    register: `${register.console}/console/register`,
    operators: `${register.console}/console/operators`,
    sessions: `${register.console}/console/me`,
    keyboard: `${register.console}/console/keyboard`,
    missing: inTenant("people/11111111-1111-4111-8111-111111111111"),
  };
}

try {
  await prepare();

  await check("a caller cannot trade: found by a misspelt name and a birth date, with one field and Enter", async () => {
    const page = await open();
    await signIn(page, "ines");
    await page.fill("main input[type=search]", "Meier, 3 May 1983");
    await Promise.all([page.waitForURL(/\/find\/./), page.keyboard.press("Enter")]);
    assert(!decodeURIComponent(page.url()).includes("Meier"), "the address holds no name");
    await Promise.all([page.waitForURL(/\/people\//), page.click("text=Johanna Mayer")]);
    const said = await text(page);
    assert(said.includes("Inactive, cannot trade") && said.includes("PESEL"), said);
    assert(said.includes("To tell the caller"), said);
    assert(!said.includes(people.johanna.email), "masked");
    await page.click("summary:has-text('Reveal')");
    await page.selectOption("#reveal", "person_asks");
    await page.fill("#reveal-reference", "CALL-5521");
    await Promise.all([page.waitForURL(/done=revealed/), page.click("text=Reveal for a few minutes")]);
    const shown = await text(page);
    assert(shown.includes(people.johanna.email) && shown.includes("CALL-5521"), shown);
    assert(page.faults.length === 0, page.faults.join());
  });

  await check("the queue is worked by keyboard: three keys decide a case, and the next one opens", async () => {
    const page = await open();
    await signIn(page, "ines");
    await page.keyboard.press("g");
    await Promise.all([page.waitForURL(/\/queue$/), page.keyboard.press("q")]);
    await page.waitForFunction(() => document.activeElement.closest("[data-focus]"));
    const before = await page.locator("tbody tr").count();
    await Promise.all([page.waitForURL(/\/queue\/./), page.keyboard.press("Enter")]);
    const first = page.url();
    await page.keyboard.press("a");
    await Promise.all([page.waitForURL(/done=approved/), page.keyboard.press("Enter")]);
    assert(page.url() !== first && /\/queue\/./.test(page.url()), `the next one is open: ${page.url()}`);
    await page.keyboard.press("r");
    await page.keyboard.type("The document cannot be read");
    await Promise.all([page.waitForURL(/done=refused/), page.keyboard.press("Enter")]);
    await page.goto(inTenant("queue"));
    const after = await page.locator("tbody tr").count();
    assert(after === before - 2, `${before} before, ${after} after`);
  });

  await check("two persons deactivate: one asks, a second one confirms, and nobody alone", async () => {
    const [ines, priya] = [await open(), await open()];
    await signIn(ines, "ines");
    await signIn(priya, "priya");
    await ines.goto(inTenant(`people/${people.marta.id}`));
    await ines.click("summary:has-text('Actions')");
    await ines.check("input[value=deactivate]");
    await ines.fill("#act-reason", "a fraud warning");
    await Promise.all([ines.waitForURL(/done=asked/), ines.click("text=Do it and put it on record")]);
    const case_ = inTenant(`queue/${people.marta.id}`);
    await ines.goto(case_);
    await ines.fill("#a-note", "again");
    await ines.click("text=Approve and open the next");
    assert((await text(ines)).includes("does not confirm"), await text(ines));
    await priya.goto(case_);
    assert((await text(priya)).includes("a fraud warning"), await text(priya));
    await priya.fill("#a-note", "seen");
    await Promise.all([priya.waitForURL(/done=approved/), priya.click("text=Approve and open the next")]);
    await priya.goto(inTenant(`people/${people.marta.id}`));
    assert((await text(priya)).includes("Deactivated by priya"), await text(priya));
  });

  await check("what happened here: a timeline with filters, differences and who decided", async () => {
    const page = await open();
    await signIn(page, "ines");
    await page.goto(inTenant(`people/${people.marta.id}`));
    await Promise.all([page.waitForURL(/show=changes/), page.click(".chip:has-text('Data changes')")]);
    const shown = await page.locator("#timeline").locator("xpath=ancestor::section").innerText();
    assert(shown.includes("Data changed") && shown.includes("Lang-Okafor") && shown.includes("ines"), shown);
    assert(!shown.includes("Created\n"), "filtered");
  });

  await check("a webhook fails: the cause in words, paused, resumed, retried", async () => {
    const page = await open();
    await signIn(page, "anna");
    await page.goto(inTenant("webhooks"));
    await page.waitForFunction(() => document.body.innerText.includes("Failing") || (location.reload(), false), null, { polling: 2000, timeout: 60_000 });
    await Promise.all([page.waitForURL(/\/webhooks\/./), page.click("tbody a")]);
    assert((await text(page)).includes("cannot be reached"), await text(page));
    for (const action of ["pause", "resume", "retry"]) {
      await page.check(`input[value=${action}]`);
      await page.fill("#m-why", "the receiver was mended");
      await Promise.all([page.waitForURL(/done=acted/), page.click("text=Do it")]);
      await page.goto(page.url().split("?")[0]);
    }
  });

  await check("leaving: an offboarding is held and released, with reasons", async () => {
    const page = await open();
    await signIn(page, "priya");
    await page.goto(inTenant(`people/${people.leaver.id}`));
    for (const action of ["release_offboarding"]) {
      await page.click("summary:has-text('Actions')");
      await page.check(`input[value=${action}]`);
      await page.fill("#act-reason", "the court has lifted its order");
      await Promise.all([page.waitForURL(/done=acted/), page.click("text=Do it and put it on record")]);
    }
    await page.waitForFunction(() => document.body.innerText.includes("Has left") || (location.reload(), false), null, { polling: 1000 });
  });

  await check("a viewer sees what viewers may, and a refusal in words", async () => {
    const page = await open();
    await signIn(page, "viewer");
    const answer = await page.goto(`${register.console}/console/operators`);
    assert(answer.status() === 403, `${answer.status()}`);
    assert((await text(page)).includes("Your roles do not allow this"), await text(page));
  });

  await check("who may what: an operator is removed by two, and the record shows it", async () => {
    const [anna, ruth] = [await open(), await open()];
    await signIn(anna, "anna");
    await signIn(ruth, "ruth");
    await anna.goto(`${register.console}/console/operators`);
    const row = anna.locator("tr", { has: anna.locator("th", { hasText: /^viewer/ }) });
    await row.locator("summary").click();
    await row.locator("input[name=reason]").fill("has left the firm");
    await Promise.all([anna.waitForURL(/done=asked/), row.locator("button").click()]);
    await anna.goto(`${register.console}/console/proposals`);
    assert((await text(anna)).includes("somebody else has to confirm"), await text(anna));
    await ruth.goto(`${register.console}/console/proposals`);
    assert((await text(ruth)).includes("has left the firm"), await text(ruth));
    await Promise.all([ruth.waitForURL(/done=confirmed/), ruth.click("button:has-text('Confirm')")]);
    await anna.goto(`${register.console}/console/record`);
    const shown = await text(anna);
    assert(shown.includes("Operator disabled") && shown.includes("confirmed by ruth"), shown);
  });

  await check("without scripts: sign in, find, decide", async () => {
    const page = await open({ javaScriptEnabled: false });
    await signIn(page, "priya");
    await page.fill("main input[type=search]", "Lang 14.2.1991");
    await Promise.all([page.waitForURL(/\/find\/./), page.click("main button.main")]);
    assert((await text(page)).includes("Nobody") || (await text(page)).includes("Marta"), await text(page));
    await page.goto(inTenant("queue"));
    await Promise.all([page.waitForURL(/\/queue\/./), page.click("tbody th a")]);
    await page.fill("#r-text", "The document shows another name");
    await Promise.all([page.waitForURL(/done=refused/), page.click("text=Refuse and open the next")]);
  });

  await check("what is hostile comes out as text, and nothing personal is in titles", async () => {
    const page = await open();
    await signIn(page, "anna");
    for (const [name, url] of Object.entries(await everyPage(page))) {
      await page.goto(url);
      const title = await page.title();
      assert(!/hurt|Mayer|Marta|Lang/.test(title), `${name}: ${title}`);
      assert((await page.locator("img").count()) === 0, `${name} has an image`);
    }
    await page.goto(inTenant(`people/${people.canary.id}`));
    assert((await text(page)).includes(CANARY), "it is shown as it is");
    const policy = page.faults.filter((fault) => fault.includes("Content Security Policy"));
    assert(policy.length === 0, policy.join());
  });

  await check("after signing out neither a page nor the back button shows anything", async () => {
    const page = await open();
    await signIn(page, "ines");
    await page.goto(inTenant(`people/${people.johanna.id}`));
    await page.click(".me summary");
    await Promise.all([page.waitForURL(/sign-in/), page.click("text=Sign out")]);
    await page.goBack();
    await page.waitForURL(/sign-in/);
    assert(!(await page.content()).includes("Johanna"), "nothing is kept");
  });

  await check("forms of other sites are refused, and no page is framed", async () => {
    const page = await open();
    await signIn(page, "ines");
    const cookies = (await page.context().cookies()).map((one) => `${one.name}=${one.value}`).join("; ");
    const target = inTenant(`people/${people.johanna.id}/act`);
    for (const headers of [{}, { origin: "https://evil.example" }, { "sec-fetch-site": "same-site", origin: register.console }]) {
      const answer = await fetch(target, { method: "POST", headers: { cookie: cookies, ...headers }, body: "action=deactivate&reason=x", redirect: "manual" });
      assert(answer.status === 403, `${JSON.stringify(headers)}: ${answer.status}`);
    }
    const head = (await fetch(inTenant("find"), { headers: { cookie: cookies } })).headers;
    assert(head.get("content-security-policy").includes("frame-ancestors 'none'"), "framed");
    assert(head.get("cache-control") === "no-store", "kept");
    const session = (await page.context().cookies()).find((one) => one.name.includes("session"));
    assert(session.httpOnly && session.secure && session.sameSite === "Strict", JSON.stringify(session));
  });

  for (const [colorScheme, locale] of [["light", "en-GB"], ["dark", "de-DE"]]) {
    await check(`axe finds nothing, ${colorScheme}, ${locale}`, async () => {
      const page = await open({ colorScheme, locale, reducedMotion: "reduce" });
      await page.goto(register.console);
      await axe(page, "sign-in");
      await page.screenshot({ path: `${pictures}/sign-in-${colorScheme}-${locale}.png`, fullPage: true });
      await signIn(page, "anna");
      for (const [name, url] of Object.entries(await everyPage(page))) {
        await page.goto(url);
        await page.screenshot({ path: `${pictures}/${name}-${colorScheme}-${locale}.png`, fullPage: true });
        await axe(page, name);
      }
    });
  }

  const developerPages = ["", "reference", "reference/users", "reference/webhooks", "guides/signing", "guides/webhooks", "errors", "errors/unauthorised"];
  for (const colorScheme of ["light", "dark"]) {
    await check(`axe finds nothing on the pages for developers, which fit 320 pixels, ${colorScheme}`, async () => {
      const page = await open({ colorScheme, javaScriptEnabled: true });
      for (const path of developerPages) {
        await page.goto(`${register.api}/${path}`);
        await page.setViewportSize({ width: 1440, height: 900 });
        await axe(page, path);
        await page.screenshot({ path: `${pictures}/developers-${path.replaceAll("/", "-") || "home"}-${colorScheme}.png`, fullPage: true });
        await page.setViewportSize({ width: 320, height: 640 });
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert(over <= 0, `${path} is ${over} pixels too wide`);
      }
      assert(page.faults.length === 0, page.faults.join());
    });
  }

  await check("pages fit 320 pixels, and 200 % zoom", async () => {
    const page = await open({ viewport: { width: 320, height: 640 } });
    await signIn(page, "anna");
    for (const [name, url] of Object.entries(await everyPage(page))) {
      await page.goto(url);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert(over <= 0, `${name} is ${over} pixels too wide`);
      await page.screenshot({ path: `${pictures}/${name}-narrow.png`, fullPage: true });
    }
  });

  await check("a first load is small", async () => {
    const page = await open();
    let bytes = 0;
    page.on("response", async (answer) => (bytes += (await answer.body().catch(() => "")).length));
    await page.goto(register.console);
    assert(bytes < 60 * 1024, `${bytes} bytes`);
    console.log(`     first load: ${bytes} bytes, nothing compressed`);
  });
} finally {
  await browser.close();
  await register.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
