// The jobs of the people who work with the console. Each is done by a hand: a mouse, or a keyboard alone.
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function assert(is, what) {
  if (!is) throw new Error(String(what).slice(0, 2000));
}

export const text = (page) => page.locator("main").innerText();

/** Presses what leads to another page, and waits for it. */
async function go(hand, url, target) {
  await Promise.all([hand.page.waitForURL(url), hand.press(target)]);
}

/** Reloads until a page says something. */
async function until(page, words) {
  for (let look = 0; look < 60; look += 1) {
    if ((await text(page)).includes(words)) return;
    await page.waitForTimeout(500);
    await page.reload();
  }
  throw new Error(`"${words}" is never said: ${await text(page)}`);
}

export async function findsWhoCannotTrade({ as, people }) {
  const hand = await as("ines");
  const { page } = hand;
  await hand.type(page.locator("main input[type=search]"), "Meier, born 3 May 1983");
  await Promise.all([page.waitForURL(/\/find\/./), page.keyboard.press("Enter")]);
  assert(!decodeURIComponent(page.url()).includes("Meier"), "the address holds no name");
  await go(hand, /\/people\//, page.locator(`a[href$="/people/${people.johanna.id}"]`).first());
  const said = await text(page);
  assert(said.includes("Inactive, cannot trade") && said.includes("PESEL"), said);
  assert(said.includes("To tell the caller"), said);
  assert(!said.includes(people.johanna.email), "masked");
  await hand.press(page.locator("summary:has-text('Reveal')"));
  await hand.choose(page.locator("#reveal"), "The person asks");
  await hand.type(page.locator("#reveal-reference"), "CALL-5521");
  await go(hand, /done=revealed/, page.locator("button:has-text('Reveal for a few minutes')"));
  const shown = await text(page);
  assert(shown.includes(people.johanna.email) && shown.includes("CALL-5521"), shown);
  assert(page.faults.length === 0, page.faults.join());
}

export async function worksTheQueue({ as }) {
  const hand = await as("ines");
  const { page } = hand;
  await go(hand, /\/queue$/, page.locator(".nav a:has-text('Queue')"));
  await go(hand, /kind=data-change/, page.locator(".tabs a:has-text('Data change')"));
  const before = await page.locator("tbody tr").count();
  await go(hand, /\/queue\/./, page.locator("tbody th a").first());
  const first = page.url();
  await go(hand, /done=assigned/, page.locator("button:has-text('Take it')"));
  const priya = await as("priya");
  await priya.page.goto(first);
  assert((await text(priya.page)).includes("in the last minutes by ines"), await text(priya.page));
  await priya.page.goto(first.split("/queue/")[0] + "/queue");
  await go(priya, /holder=mine/, priya.page.locator(".chip:has-text('Mine')"));
  assert((await priya.page.locator("tbody tr").count()) === 0, "it is not hers");
  assert((await page.locator("del").count()) > 0 && (await page.locator("ins").count()) > 0, "old and new");
  await hand.type(page.locator("#r-text"), "The document cannot be read");
  await go(hand, /done=refused/, page.locator("button:has-text('Refuse and open the next')"));
  assert(page.url() !== first && /\/queue\/./.test(page.url()), `the next one is open: ${page.url()}`);
  await go(hand, /\/queue\?kind=data-change/, page.locator(".crumbs a"));
  const after = await page.locator("tbody tr").count();
  assert(after === before - 1, `${before} before, ${after} after`);
}

export async function decidesSeveral({ as, people, register, inTenant }) {
  for (const last_name of ["Lang-Winter", "Lang-Sommer"]) register.renames(people.johanna, last_name);
  const hand = await as("priya");
  const { page } = hand;
  await page.goto(inTenant("queue?kind=data-change"));
  const chosen = page.locator("tr", { hasText: "Johanna Mayer" });
  assert((await chosen.count()) === 2, await text(page));
  for (const one of await chosen.all()) await hand.press(one.locator("input[type=checkbox]"));
  await Promise.all([page.waitForNavigation(), hand.press(page.locator("button:has-text('Refuse the chosen')"))]);
  assert((await text(page)).includes("Not decided"), "without a reason none is refused");
  await page.goto(inTenant("queue?kind=data-change"));
  for (const one of await chosen.all()) await hand.press(one.locator("input[type=checkbox]"));
  await hand.type(page.locator("#batch-reason"), "The document shows another name");
  await page.keyboard.press("Enter");
  assert(/\/queue\?kind=data-change$/.test(page.url()), "Enter alone decides nothing");
  await Promise.all([page.waitForNavigation(), hand.press(page.locator("button:has-text('Refuse the chosen')"))]);
  assert((await text(page)).includes("2 cases were decided"), await text(page));
}

export async function isTheSecondPairOfEyes({ as, people, inTenant }) {
  const [ines, priya] = [await as("ines"), await as("priya")];
  await ines.page.goto(inTenant(`people/${people.marta.id}`));
  await ines.press(ines.page.locator("summary:has-text('Actions')"));
  await ines.press(ines.page.locator("input[value=deactivate]"));
  await ines.type(ines.page.locator("#act-reason"), "a fraud warning");
  await go(ines, /done=asked/, ines.page.locator("button:has-text('Do it and put it on record')"));
  const case_ = inTenant(`queue/${people.marta.id}`);
  await ines.page.goto(case_);
  await ines.type(ines.page.locator("#a-note"), "again");
  await Promise.all([ines.page.waitForLoadState("load"), ines.press(ines.page.locator("button:has-text('Approve and open the next')"))]);
  await ines.page.locator("text=does not confirm").waitFor();
  await priya.page.goto(case_);
  assert((await text(priya.page)).includes("a fraud warning"), await text(priya.page));
  await priya.type(priya.page.locator("#a-note"), "seen");
  await go(priya, /done=approved/, priya.page.locator("button:has-text('Approve and open the next')"));
  await priya.page.goto(inTenant(`people/${people.marta.id}`));
  assert((await text(priya.page)).includes("Deactivated by priya"), await text(priya.page));
}

export async function seesWhatHappened({ as, people, inTenant }) {
  const hand = await as("ines");
  const { page } = hand;
  await page.goto(inTenant(`people/${people.changed.id}`));
  await go(hand, /show=changes/, page.locator(".chip:has-text('Data changes')"));
  const shown = await page.locator("#timeline").locator("xpath=ancestor::section").innerText();
  assert(shown.includes("Data changed") && shown.includes("Lang-Okafor") && shown.includes("ines"), shown);
  assert(!shown.includes("Created\n"), "filtered");
}

export async function mendsAWebhook({ as, people, inTenant }) {
  const hand = await as("anna");
  const { page } = hand;
  await page.goto(inTenant(`webhooks/${people.webhook.id}`));
  await until(page, "Failing");
  assert((await text(page)).includes("cannot be reached"), await text(page));
  for (const action of ["pause", "resume", "retry"]) {
    await hand.press(page.locator(`input[value=${action}]`));
    await hand.type(page.locator("#m-why"), "the receiver was mended");
    await go(hand, /done=acted/, page.locator("button:has-text('Do it')"));
    await page.goto(page.url().split("?")[0]);
  }
}

/** Has somebody confirm the one thing that waits, and returns what is shown once. */
async function confirm(hand, register) {
  const { page } = hand;
  await page.goto(`${register.console}/console/proposals`);
  await Promise.all([page.waitForNavigation(), hand.press(page.locator("button:has-text('Confirm')").first())]);
  const facts = page.locator("#once ~ dl");
  if ((await facts.count()) === 0) return {};
  const [names, values] = [await facts.locator("dt").allInnerTexts(), await facts.locator("dd").allInnerTexts()];
  return Object.fromEntries(names.map((name, at) => [name, values[at]]));
}

export async function onboardsATenant({ as, register, name }) {
  const [anna, ruth] = [await as("anna"), await as("ruth")];
  const { page } = anna;
  const house = `House of the ${name}`;
  await page.goto(`${register.console}/console/register`);
  await anna.press(page.locator("summary:has-text('Create a tenant')"));
  await anna.type(page.locator("#tenant-name"), house);
  await anna.type(page.locator("#tenant-why"), "a new house");
  await go(anna, /done=asked/, page.locator("details[open] button:has-text('Ask for it')"));
  await confirm(ruth, register);

  const clients = `${register.console}/console/tenants/${encodeURIComponent(house)}/clients`;
  await page.goto(clients);
  await anna.press(page.locator("summary:has-text('Create a client')"));
  for (const scope of ["users:admin", "users:read", "webhooks:admin"]) await anna.press(page.locator(`input[value="${scope}"]`));
  await anna.type(page.locator("#client-why"), "their first client");
  await go(anna, /done=asked/, page.locator("details[open] button:has-text('Ask for it')"));
  const made = await confirm(ruth, register);
  assert(made.Client && made.Secret, JSON.stringify(made));

  await page.goto(clients);
  await anna.press(page.locator("summary:has-text('Add a key')"));
  const [download] = await Promise.all([page.waitForEvent("download"), anna.press(page.locator("[data-key-pair]"))]);
  const folder = mkdtempSync(join(tmpdir(), "investord-onboarding."));
  await download.saveAs(join(folder, "ed25519.pem"));
  await page.waitForFunction(() => document.querySelector("#pem1").value.includes("BEGIN PUBLIC KEY"));
  const sent = page.waitForRequest((request) => request.method() === "POST");
  await anna.type(page.locator("#n1"), "made here");
  await go(anna, /done=asked/, page.locator("details[open] button:has-text('Ask for it')"));
  assert(!(await sent).postData().includes("PRIVATE"), "the private half is not sent");
  await confirm(ruth, register);

  await page.goto(clients);
  await anna.press(page.locator("summary:has-text('The first signed call')"));
  const program = (await page.locator("details[open] pre").innerText()).replace('"CLIENT_SECRET"', `"${made.Secret}"`);
  writeFileSync(join(folder, "first_request.sh"), program);
  const said = execFileSync("sh", ["first_request.sh"], { cwd: folder, encoding: "utf8" });
  assert(JSON.parse(said).meta.total_count === 0, said);

  const key = (await page.locator("table.rows code.id").first().innerText()).trim();
  const profile = `url = "${register.api}"\nclient_id = "${made.Client}"\nclient_secret = "${made.Secret}"\n`
    + `scopes = ["webhooks:admin"]\n[[key]]\nid = "${key}"\nprivate_key_file = "ed25519.pem"\n`;
  writeFileSync(join(folder, "profile.toml"), profile, { mode: 0o600 });
  const webhook = register.call("POST", "/webhooks", register.webhook({ title: house }), join(folder, "profile.toml"));
  await page.goto(`${register.console}/console/tenants/${encodeURIComponent(house)}/webhooks`);
  await go(anna, new RegExp(webhook.id), page.locator("tbody a"));
}

export async function letsSomebodyLeave({ as, people, register, inTenant }) {
  const [ines, priya] = [await as("ines"), await as("priya")];
  const act = async (hand, action, reason) => {
    await hand.page.goto(inTenant(`people/${people.leaver.id}`));
    await hand.press(hand.page.locator("summary:has-text('Actions')"));
    await hand.press(hand.page.locator(`input[value=${action}]`));
    await hand.type(hand.page.locator("#act-reason"), reason);
    await Promise.all([hand.page.waitForNavigation(), hand.press(hand.page.locator("button:has-text('Do it and put it on record')"))]);
    return text(hand.page);
  };
  await register.set("four_eyes=true");
  try {
    const held = await act(ines, "hold_offboarding", "court order 12 C 34/26");
    assert(held.includes("held"), held);
    const refused = await act(ines, "release_offboarding", "by myself");
    assert(refused.includes("another operator"), refused);
    await act(priya, "release_offboarding", "the court has lifted its order");
    await act(priya, "finish_offboarding", "nothing is open");
    await until(priya.page, "Has left");
  } finally {
    await register.set("four_eyes=false");
  }
}

export async function removesAnOperator({ as, register, people }) {
  const [anna, ruth] = [await as("anna"), await as("ruth")];
  await anna.page.goto(`${register.console}/console/operators`);
  const row = anna.page.locator("tr", { has: anna.page.locator("th", { hasText: new RegExp(`^${people.goes}`) }) });
  await anna.press(row.locator("summary:has-text('Disable')"));
  await anna.type(row.locator("details[open] input[name=reason]"), "has left the firm");
  await go(anna, /done=asked/, row.locator("details[open] button"));
  await anna.page.goto(`${register.console}/console/proposals`);
  assert((await text(anna.page)).includes("somebody else has to confirm"), await text(anna.page));
  await confirm(ruth, register);
  await anna.page.goto(`${register.console}/console/record`);
  const shown = await text(anna.page);
  assert(shown.includes("Operator disabled") && shown.includes("confirmed by ruth"), shown);
}

/** Every job, by what it is. */
export const JOBS = [
  ["a caller cannot trade: found by a misspelt name and a birth date, with one field and Enter", findsWhoCannotTrade],
  ["the queue is worked: a case refused, the next one opens, the filter is kept", worksTheQueue],
  ["several cases are refused at once, each by a decision of its own", decidesSeveral],
  ["two persons deactivate: one asks, a second one confirms, and nobody alone", isTheSecondPairOfEyes],
  ["what happened here: a timeline with filters, differences and who decided", seesWhatHappened],
  ["a webhook fails: the cause in words, paused, resumed, retried", mendsAWebhook],
  ["a tenant is onboarded: client, key pair made in the browser, first signed call from the page, webhook", onboardsATenant],
  ["leaving: an offboarding is held by a court order and released by another one", letsSomebodyLeave],
  ["who may what: an operator is removed by two, and the record shows it", removesAnOperator],
];
