// Walks through the console in a real browser: the jobs of the people who work with it, by mouse, by keyboard and without
// scripts, and looks at every page with axe-core. Prints a line for each check, and keeps a picture of each page.
import { mkdirSync, readFileSync } from "node:fs";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";
import { Keyboard, Mouse } from "./hands.mjs";
import { JOBS, assert, text } from "./jobs.mjs";
import { CANARY, PASSWORD, Register } from "./register.mjs";

const [binary, pictures = "pictures", database] = process.argv.slice(2);
const browserPath = process.env.CHROMIUM ?? "/usr/bin/chromium";
mkdirSync(pictures, { recursive: true });

let passed = 0;
let failed = 0;

async function check(name, work) {
  try {
    await work();
    // An address may hold only so many connections.
    await Promise.all(browser.contexts().map((context) => context.close()));
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}: ${error.stack ?? error}`);
  }
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

const inTenant = (rest) => `${register.console}/console/tenants/demo/${rest}`;

async function prepare() {
  await register.set("model=TOL", "review_policy=review",
    "offboarding_delay_seconds=3600", "deactivation_takes_two=true");
  await register.operator("ines", ["support", "compliance"]);
  await register.operator("priya", ["compliance"]);
  await register.operator("viewer", ["viewer"], "demo");
  await register.operator("anna", ["administrator", "auditor", "compliance", "support"]);
  await register.operator("ruth", ["administrator"]);
  people.canary = register.person({ first_name: CANARY, last_name: CANARY, birth_city: CANARY });
}

/** Makes the people and the webhook with which a hand does the jobs. */
async function peopleOf(hand) {
  await register.operator(`leaves-${hand}`, ["viewer"], "demo");
  people.goes = `leaves-${hand}`;
  people.johanna = register.person({ first_name: "Johanna", last_name: "Mayer", birth_date: "1983-05-03", nationalities: ["PL", "CH"] });
  people.marta = register.person({ first_name: "Marta", last_name: "Lang", birth_date: "1991-02-14" });
  people.changed = register.person({ first_name: "Marta", last_name: "Lang", birth_date: "1991-02-14" });
  people.leaver = register.person({ first_name: "Lea", last_name: "Verlasser", birth_date: "1985-01-01" });
  for (const last_name of ["Okafor", "Lang-Okafor", CANARY, "Meyer"]) {
    const person = last_name === "Lang-Okafor" ? people.changed : people.marta;
    register.renames(person, last_name);
  }
  const [change] = (await register.operate("GET", "/tenants/demo/reviews")).data.filter((one) => one.user_id === people.changed.id);
  await register.approve("ines", people.changed.id, change.id);
  register.call("DELETE", `/users/${people.leaver.id}`);
  people.webhook = register.call("POST", "/webhooks", register.webhook({ title: CANARY }));
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

  for (const [name, Hand] of [["mouse", Mouse], ["keyboard", Keyboard]]) {
    await peopleOf(name);
    const scene = {
      name,
      people,
      register,
      inTenant,
      as: async (who) => {
        const page = await open();
        await signIn(page, who);
        return new Hand(page);
      },
    };
    for (const [job, work] of JOBS) await check(`${job} (${name})`, () => work(scene));
  }

  await check("the queue is worked by keyboard: three keys decide a case, and the next one opens", async () => {
    const page = await open();
    await signIn(page, "ines");
    // One types at once; Esc leaves the field, and keys are keys.
    assert(await page.evaluate(() => document.activeElement.type === "search"), "the field has the focus");
    await page.keyboard.press("Escape");
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

  await check("a viewer sees what viewers may, and a refusal in words", async () => {
    const page = await open();
    await signIn(page, "viewer");
    const answer = await page.goto(`${register.console}/console/operators`);
    assert(answer.status() === 403, `${answer.status()}`);
    assert((await text(page)).includes("Your roles do not allow this"), await text(page));
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
      // Each menu and form that opens stays on the page, too.
      const opened = await page.evaluate(() =>
        [...document.querySelectorAll("main details")].map((one) => {
          one.open = true;
          const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
          one.open = false;
          return [one.querySelector("summary").innerText, over];
        }));
      for (const [what, over] of opened) assert(over <= 0, `${name}: ${what} is ${over} pixels too wide`);
    }
  });

  await check("a first load is small", async () => {
    const page = await open();
    const bodies = [];
    page.on("response", (answer) => answer.status() === 200 && bodies.push(answer.body()));
    await page.goto(register.console, { waitUntil: "networkidle" });
    const bytes = (await Promise.all(bodies)).reduce((sum, body) => sum + body.length, 0);
    assert(bodies.length >= 3, `${bodies.length} files`);
    assert(bytes < 60 * 1024, `${bytes} bytes`);
    console.log(`     first load: ${bytes} bytes, nothing compressed`);
  });
} finally {
  await browser.close();
  await register.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
