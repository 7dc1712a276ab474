import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as lab from "../fixture/lab.mjs";
import { administrator } from "../fixture/people.mjs";
import { story } from "../fixture/story.mjs";

const [host = ""] = lab.hosts;

/** Builds a deb with one script in it. @param {string} dir @param {string} version */
function deb(dir, version) {
  const root = `${dir}/${version}`;
  mkdirSync(`${root}/DEBIAN`, { recursive: true });
  mkdirSync(`${root}/usr/bin`, { recursive: true });
  writeFileSync(`${root}/DEBIAN/control`, `Package: rack-tool\nVersion: ${version}\nArchitecture: all\nMaintainer: Ops <ops@lab.test>\nDescription: Tells its version\n`);
  writeFileSync(`${root}/usr/bin/rack-tool`, `#!/bin/sh\necho ${version}\n`, { mode: 0o755 });
  const file = `${dir}/rack-tool_${version}_all.deb`;
  execFileSync("dpkg-deb", ["--root-owner-group", "--build", root, file]);
  return file;
}

/** What the host's apt installs now. @param {string} [what] */
const install = (what = "rack-tool") =>
  lab.run(host, `apt-get -qq update >&2; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y ${what} >&2; rack-tool`);

story("packages are uploaded, promoted and rolled back, and a host's apt follows", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  const dir = mkdtempSync(`${tmpdir()}/repository-`);
  const upload = async (/** @type {string[]} */ files) => {
    await page.goto("/repositories/tools/upload");
    await page.locator("#field-file").setInputFiles(files);
    await page.getByRole("button", { name: "Upload and publish" }).click();
    await page.locator(".upload-result").waitFor();
  };
  const promote = async (/** @type {string} */ snapshot) => {
    await page.goto("/repositories/tools/channels");
    await page.locator("#field-channel").fill("production");
    await page.locator("#field-snapshot").selectOption(snapshot);
    await page.getByRole("button", { name: "Point a channel" }).click();
    await page.getByText("The channel was moved.").waitFor();
  };
  let path = "";
  try {
    await visitor.visit("/repositories");
    await page.locator("#field-name").fill("tools");
    await page.locator("#field-channels").fill("dev, production");
    await page.getByRole("button", { name: "Create repository" }).click();
    await page.waitForURL(/\/repositories\/tools$/);
    await visitor.look("empty");

    await upload([deb(dir, "1.0")]);
    writeFileSync(`${dir}/notes.deb`, "no package at all\n");
    await upload([deb(dir, "1.1"), `${dir}/notes.deb`]);
    await page.locator('.upload-result tr[data-tone="failed"]').getByText("notes.deb").waitFor();
    await visitor.look("result");

    await promote("2");
    await page.goto("/repositories/tools/use");
    const use = page.locator(".command-group").filter({ hasText: "production: apt (" });
    await use.locator("summary").click();
    path = (await use.locator(".use-file p code").textContent()) ?? "";
    const text = (await use.locator("pre").textContent()) ?? "";
    assert.match(path, /^\/etc\/apt\/sources\.list\.d\/.*production\.sources$/);
    lab.run(host, `cat >${path} <<'END'\n${text}END`);
    assert.equal(install(), "1.0");
    await promote("3");
    assert.equal(install(), "1.1");
    await visitor.look();
    await page.getByRole("button", { name: "Back to 2: production" }).click();
    await page.getByText("The channel was rolled back.").waitFor();
    assert.equal(install("--allow-downgrades rack-tool=1.0"), "1.0");
  } finally {
    lab.run(host, `rm -f '${path || "/nonexistent"}'; dpkg -s rack-tool >/dev/null 2>&1 && dpkg -P rack-tool >&2 || :`);
    rmSync(dir, { recursive: true });
  }
});
