import assert from "node:assert/strict";
import * as lab from "../fixture/lab.mjs";
import { secret } from "../fixture/markers.mjs";
import { administrator, begin, mark, passChecks, row, stillThere } from "../fixture/people.mjs";
import { story } from "../fixture/story.mjs";

const newcomer = lab.hosts[4] ?? "";

story("a host that runs the page's command arrives in the list", async () => {
  const visitor = await administrator();
  const { page } = visitor;
  await begin(visitor, "dc1-prod");
  await page.getByRole("radio", { name: /Register by hand/ }).check();
  await page.getByRole("button", { name: "Show the commands" }).click();
  await page.waitForURL(/\/manual$/);
  await mark(page);
  await visitor.look("waiting");
  const command = (await page.locator(".command-group[open] code").first().textContent()) ?? "";
  secret("the enrolment token", /printf "%s\\n" (\S+)/.exec(command)?.[1] ?? "", /\/manual /);

  lab.run(newcomer, command);
  await row(page, newcomer).and(page.locator('[data-tone="done"]')).waitFor();
  await page.locator('[data-value="arrived"]').getByText("1", { exact: true }).waitFor();
  await page.locator('[data-value="uses"]').getByText("9", { exact: true }).waitFor();
  assert.ok(await stillThere(page), "without loading the page again");
  await visitor.look();
  await passChecks(visitor);
  await page.getByRole("link", { name: newcomer }).waitFor();
  await visitor.look("manual");
  await page.getByRole("button", { name: "Finish" }).click();
  await page.getByText("Finished. The hosts are under management.").waitFor();
});
