// Keys, copying, and instants in the reader's time zone. Every page works without this script.
"use strict";

const language = document.documentElement.lang;
// The reader's own way to write them, if it is one of the page's language.
const locale = navigator.languages.find((one) => one.startsWith(language)) ?? language;
const text = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const hour = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  // The days of a timeline are those of UTC.
  const isShort = time.classList.contains("short") && at.getDate() === at.getUTCDate();
  time.textContent = (isShort ? hour : text).format(at);
}
for (const zone of document.querySelectorAll(".zone")) {
  zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
}

// WCAG 2.1.4: single keys can be switched off.
const keysAreOn = !document.cookie.split("; ").includes("investord_keys=off");
let waitsForPart = false;

const rows = () => [...document.querySelectorAll("[data-list] tbody th a")];

// A case is opened with one key: the oldest one waits for Enter.
if (keysAreOn && document.activeElement === document.body) {
  document.querySelector("[data-focus] tbody th a")?.focus({ preventScroll: true });
}

function move(step) {
  const neighbour = document.querySelector(step > 0 ? 'a[rel="next"]' : 'a[rel="prev"]');
  const all = rows();
  if (all.length === 0) {
    neighbour?.click();
    return;
  }
  const at = all.indexOf(document.activeElement);
  all[Math.min(all.length - 1, Math.max(0, at + step))].focus();
}

function part(key) {
  const ends = { f: "/find", q: "/queue", p: "/proposals", w: "/webhooks", r: "/record" }[key];
  const link = ends && [...document.querySelectorAll(".nav a")].find((one) => one.pathname.endsWith(ends));
  link?.click();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const open = document.querySelector("details.menu[open], details.reveal[open]");
    open?.removeAttribute("open");
    if (open) open.querySelector("summary").focus();
    else event.target.blur();
    return;
  }
  const isTyping = event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  if (!keysAreOn || isTyping || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  if (waitsForPart) {
    waitsForPart = false;
    part(event.key);
    return;
  }
  const decide = document.querySelector(`button[aria-keyshortcuts="${CSS.escape(event.key)}"]`);
  if (decide) {
    // It only moves the focus: Enter does it.
    (decide.form.querySelector("input:invalid") ?? decide).focus();
    event.preventDefault();
    return;
  }
  switch (event.key) {
    case "/":
      document.querySelector('input[type="search"]')?.focus();
      event.preventDefault();
      break;
    case "g":
      waitsForPart = true;
      break;
    case "j":
      move(1);
      break;
    case "k":
      move(-1);
      break;
    case "x":
      document.activeElement.closest("tr")?.querySelector('input[type="checkbox"]')?.click();
      break;
    case "?":
      document.querySelector('a[href="/console/keyboard"]')?.click();
      break;
  }
});

for (const id of document.querySelectorAll("code.id[title]")) {
  id.addEventListener("dblclick", () => navigator.clipboard?.writeText(id.title));
}

/** Writes a key as PEM (RFC 7468). */
function pem(label, key) {
  const lines = btoa(String.fromCharCode(...new Uint8Array(key))).match(/.{1,64}/g);
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** Makes a key pair: the public half is put into the form, the private one becomes a file of the reader and is not sent. */
async function makeKeyPair(button) {
  const said = button.form.querySelector('[role="status"]');
  try {
    const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"]);
    const secret = pem("PRIVATE KEY", await crypto.subtle.exportKey("pkcs8", pair.privateKey));
    button.form.elements.public_key.value = pem("PUBLIC KEY", await crypto.subtle.exportKey("spki", pair.publicKey));
    const file = document.createElement("a");
    file.href = URL.createObjectURL(new Blob([secret], { type: "application/x-pem-file" }));
    file.download = "ed25519.pem";
    file.click();
    // A second pair would have a file of another name.
    button.disabled = true;
    setTimeout(() => URL.revokeObjectURL(file.href), 60_000);
    said.textContent = button.dataset.made;
  } catch {
    said.textContent = button.dataset.failed;
  }
}

for (const button of document.querySelectorAll("button[data-key-pair]")) {
  button.hidden = false;
  button.addEventListener("click", () => makeKeyPair(button));
}
