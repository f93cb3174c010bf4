// Tries the built-in page of `pan123 serve` in a headless Chromium, against `pan123 mock`; everything on loopback.
//
//   npm install --no-save puppeteer-core     (anywhere above this file)
//   cargo build --package pan123-cli
//   node crates/pan123-cli/tests/page/page.mjs [FOLDER FOR SCREENSHOTS]
//
// CHROMIUM names another browser than /usr/bin/chromium.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

const PROGRAM = fileURLToPath(new URL("../../../../target/debug/pan123", import.meta.url));
const screenshots = process.argv[2];
const folder = mkdtempSync(join(tmpdir(), "pan123-page-"));
const env = { ...process.env, LC_ALL: "C.UTF-8", PAN123_CONFIG_DIR: join(folder, "config"), PAN123_STATE_DIR: join(folder, "state") };
const programs = [];

/** Starts the program, and returns its first line of output that matches. */
async function start(args, pattern, more = {}) {
  const program = spawn(PROGRAM, args, { env: { ...env, ...more }, stdio: ["ignore", "pipe", "inherit"] });
  programs.push(program);
  for await (const line of createInterface(program.stdout)) {
    const found = line.match(pattern);
    if (found) return found[1];
  }
  throw new Error(`pan123 ${args.join(" ")} ended`);
}

async function admin(method, path, body) {
  const response = await fetch(`${mock}/__admin/${path}`, { method, body: JSON.stringify(body) });
  assert.ok(response.ok, `${path}: ${await response.text()}`);
}

const mock = await start(["mock", "--listen", "127.0.0.1:0"], /^(http:\S+)$/);
const options = await (await fetch(`${mock}/__admin/options?secrets=true`)).json();
const account = { PAN123_BASE_URL: mock, PAN123_CLIENT_ID: options.client_id, PAN123_CLIENT_SECRET: options.client_secret };
const rpc = await start(["serve", "--listen", "127.0.0.1:0"], /listening on (\S+)\/jsonrpc/, account);
const secret = readFileSync(join(env.PAN123_CONFIG_DIR, "rpc-secret"), "utf8").trim();

const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: [...quiet, "--lang=en"] });
const page = await browser.newPage();
const faults = [];
page.on("pageerror", (error) => faults.push(error.message));
page.on("request", (request) => {
  if (new URL(request.url()).host !== new URL(rpc).host && !request.url().startsWith("data:")) faults.push(`asks ${request.url()}`);
});
page.on("dialog", (dialog) => dialog.accept());
page.setDefaultTimeout(20_000);

const shoot = async (name) => screenshots && (await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true }));
const textOf = (selector) => page.$eval(selector, (found) => found.innerText);
const until = (list, text) => page.waitForFunction((list, text) => document.querySelector(`section.${list}`)?.innerText.includes(text), {}, list, text);
const press = (list, name) => page.evaluate((list, name) => [...document.querySelectorAll(`section.${list} button`)].find((button) => button.innerText === name).click(), list, name);
async function add(urls, values = {}) {
  for (const [id, value] of Object.entries({ urls, folder: "", name: "", ...values })) {
    await page.$eval(`#${id}`, (input) => (input.value = ""));
    await page.type(`#${id}`, value);
  }
  await page.click("#add [type=submit]");
}

try {
  console.log("a wrong secret is told, the right one opens");
  await page.goto(`${rpc}/`);
  await page.waitForSelector("#unlock:not([hidden])");
  await page.type("#secret", "wrong secret");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#unlock-hint").innerText.includes("wrong"));
  await page.type("#secret", secret);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#main:not([hidden])");
  assert.ok(!(await page.content()).includes(secret), "the secret is not in the page");

  console.log("many URLs are added, a bad one is told and stays in the field");
  await admin("PUT", "script", { succeeds_after: 6 });
  await add("http://127.0.0.1:9/a.mp4\nhttp://127.0.0.1:9/%E7%94%B5%E5%BD%B1.mkv\nmagnet:?xt=urn:btih:1", { folder: "/videos/2026" });
  await until("active", "电影.mkv");
  assert.match(await textOf("#message"), /2 downloads added\.\s+1 URL was refused/);
  assert.equal(await page.$eval("#urls", (urls) => urls.value), "magnet:?xt=urn:btih:1");
  await page.waitForFunction(() => [...document.querySelectorAll("progress")].some((bar) => bar.value > 0));
  await shoot("running");

  console.log("a reload in the middle shows the same, without the secret in its address");
  await page.reload();
  await until("active", "/videos/2026");
  await until("complete", "a.mp4");
  await until("complete", "电影.mkv");
  assert.equal(page.url(), `${rpc}/`);

  console.log("a failure is told with its reason, and added again");
  await admin("POST", "faults", { fault: "business_error", path: "/api/v1/offline/download", times: 1 });
  await add("http://127.0.0.1:9/broken.iso", { name: "broken.iso" });
  await until("failed", "the service rejected the request");
  await shoot("failed");
  await press("failed", "Add again");
  await until("complete", "broken.iso");
  await page.waitForFunction(() => !document.querySelector("section.failed"));

  console.log("an unconfirmed download is settled in each way");
  for (const [name, verdict] of [["found.bin", "find"], ["again.bin", "again"], ["drop.bin", "drop"], ["task.bin", "was"]]) {
    await admin("PUT", "script", { succeeds_after: 2 });
    await admin("POST", "faults", { fault: "response_lost", path: "/api/v1/offline/download", times: 1 });
    await add(`http://127.0.0.1:9/${name}`, { name, folder: "/videos" });
    await until("unconfirmed", name);
    if (verdict === "find") await shoot("unconfirmed");
    if (verdict === "drop") {
      await press("unconfirmed", "Give up");
      await until("removed", name);
    }
    if (verdict === "was" || verdict === "find") {
      const tasks = await (await fetch(`${mock}/__admin/tasks`)).json();
      const task = tasks.findLast((task) => task.url.endsWith(name)).id;
      await page.focus("section.unconfirmed input");
      await page.keyboard.type(String(task));
      await page.keyboard.press("Enter");
      await until("complete", name);
    }
    if (verdict === "again") {
      await press("unconfirmed", "Send again");
      await page.waitForFunction(() => document.querySelector("#message").innerText.includes("on its way"));
      await press("unconfirmed", "Give up");
      await until("removed", name);
    }
  }

  console.log("what is queued is paused, resumed and removed");
  await admin("PUT", "running-limit", 0);
  await add("http://127.0.0.1:9/late.bin");
  await until("waiting", "late.bin");
  await press("waiting", "Pause");
  await until("waiting", "paused");
  await press("waiting", "Resume");
  await page.waitForFunction(() => [...document.querySelectorAll("section.waiting button")].some((button) => button.innerText === "Pause"));
  await press("waiting", "Remove");
  await page.waitForFunction(() => !document.querySelector("section.waiting"));

  console.log("every control has a name, and the first one that Tab reaches skips to the downloads");
  const nameless = await page.evaluate(() => [...document.querySelectorAll("button, input, select, textarea, progress")].filter((control) => !control.closest("[hidden]") && !(control.innerText || control.ariaLabel || control.labels?.length)).map((control) => control.outerHTML));
  assert.deepEqual(nameless, []);
  await page.reload();
  await page.waitForSelector("#main:not([hidden])");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");

  console.log("it fits a phone, in Chinese, too");
  await page.setViewport({ width: 360, height: 740, isMobile: true, deviceScaleFactor: 2 });
  await page.click("#language");
  await page.waitForFunction(() => document.documentElement.lang === "zh-CN");
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(overflow, 0, "nothing is wider than the screen");
  await shoot("phone");

  assert.deepEqual(faults, []);
  console.log("all as expected");
} catch (error) {
  await shoot("failure");
  throw error;
} finally {
  await browser.close();
  for (const program of programs) program.kill();
  rmSync(folder, { recursive: true });
}
