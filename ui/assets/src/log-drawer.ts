import { copy } from "./copy-button";
import { livePage } from "./live-page";
import { LogView } from "./log-view";
import { elapsed } from "./relative-time";

interface Step {
  name: string;
  state: string;
  started_at?: string;
  finished_at?: string;
  log_offset?: number;
}

interface Task {
  steps?: Step[] | null;
  job_id?: string;
}

const tones: Record<string, string> = { done: "done", running: "running", failed: "failed", skipped: "stopped", canceled: "stopped" };

/** Shows a task's steps, what its job writes and its growing log beside the table, which stays in view and usable. */
export class LogDrawer extends HTMLElement {
  private view: LogView | null = null;
  private opener: HTMLElement | null = null;
  private stop: (() => void) | null = null;
  private url = "";
  private titles: Record<string, string | undefined> = {};
  private generation = 0;
  private size = 0;
  private reading = false;

  connectedCallback(): void {
    const log = this.find("log");
    const follow = this.find("follow");
    if (!log || !follow) return;
    this.view = new LogView(log, follow);
    this.titles = JSON.parse(this.dataset["titles"] ?? "{}") as Record<string, string>;
    document.addEventListener("click", (e) => this.linkClicked(e));
    this.addEventListener("keydown", (e) => {
      if (e.key === "Escape") this.close();
    });
    this.find("close")?.addEventListener("click", () => this.close());
    this.find("wrap")?.addEventListener("click", (e) => {
      const button = e.currentTarget as HTMLElement;
      button.ariaPressed = String(log.classList.toggle("wrap"));
    });
    this.find("search")?.addEventListener("input", (e) => {
      const hits = this.view?.search((e.target as HTMLInputElement).value) ?? 0;
      const place = this.find("hits");
      if (place) place.textContent = (e.target as HTMLInputElement).value === "" ? "" : String(hits);
    });
    this.find("copy")?.addEventListener("click", (e) => {
      void copy(this.view?.text ?? "", e.currentTarget as HTMLElement, this.dataset["copied"] ?? "");
    });
    this.find("download")?.addEventListener("click", (e) => this.download(e.currentTarget as HTMLAnchorElement));
  }

  private find(name: string): HTMLElement | null {
    return this.querySelector<HTMLElement>(`[data-drawer-${name}]`);
  }

  private linkClicked(e: MouseEvent): void {
    const link = (e.target as Element).closest<HTMLAnchorElement>("a[data-log]");
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button !== 0) return;
    e.preventDefault();
    void this.open(link);
  }

  private async open(link: HTMLAnchorElement): Promise<void> {
    this.leave();
    const generation = ++this.generation;
    this.opener = link;
    this.url = `/api/v1${new URL(link.href).pathname}`;
    this.size = 0;
    this.view?.clear();
    this.noOutput();
    this.hidden = false;
    this.heading(link.closest<HTMLElement>("[data-row]"));
    this.find("title")?.focus();
    this.stop = livePage()?.socket.listen(`log.${link.dataset["log"] ?? ""}`, (delta) => this.grown(Number(delta.values?.["size"] ?? 0))) ?? null;
    const [task] = await Promise.all([this.loadTask(), this.read()]);
    if (generation !== this.generation) return;
    const failed = task?.steps?.find((s) => s.state === "failed");
    if (failed?.log_offset !== undefined) this.view?.goTo(failed.log_offset);
  }

  /** Takes the name and, of a failed task, what is wrong from its row, where they are in the page's language. */
  private heading(row: HTMLElement | null): void {
    const cell = (name: string): string => row?.querySelector(`[data-cell="${name}"]`)?.textContent ?? "";
    const title = this.find("title");
    if (title) title.textContent = cell("name");
    const problem = this.find("problem");
    if (!problem) return;
    problem.hidden = row?.dataset["group"] !== "failed";
    problem.textContent = `${cell("message")} ${cell("hint")}`;
  }

  private async loadTask(): Promise<Task | null> {
    const generation = this.generation;
    const answer = await fetch(this.url, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) return null;
    const task = (await answer.json()) as Task;
    if (generation !== this.generation) return null;
    this.find("steps")?.replaceChildren(...(task.steps ?? []).map((s) => this.step(s)));
    if (task.job_id) void this.showOutput(task.job_id);
    return task;
  }

  private noOutput(): void {
    const place = this.find("output");
    if (!place) return;
    delete place.dataset["job"];
    place.replaceChildren();
    place.hidden = true;
    const link = this.find("job");
    if (link) link.hidden = true;
    this.classList.remove("with-output");
  }

  /** Shows what a job writes, as the job's page does, which also keeps it fresh. */
  private async showOutput(job: string): Promise<void> {
    const place = this.find("output");
    if (!place || place.dataset["job"] === job) return;
    place.dataset["job"] = job;
    const answer = await fetch(`/jobs/${job}`).catch(() => null);
    const page = answer?.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
    if (place.dataset["job"] !== job) return; // another host, or another attempt, by now
    if (!page) {
      this.noOutput(); // the next growth of the log tries again
      return;
    }
    const link = this.find("job");
    if (link instanceof HTMLAnchorElement) {
      link.href = `/jobs/${job}`;
      link.hidden = false;
    }
    place.replaceChildren(...[...page.querySelectorAll(".output")].map((e) => document.importNode(e, true)));
    place.hidden = false;
    this.classList.add("with-output");
  }

  private step(s: Step): HTMLLIElement {
    const li = document.createElement("li");
    li.dataset["tone"] = tones[s.state] ?? "waiting";
    const button = document.createElement("button");
    button.type = "button";
    const state = document.createElement("span");
    state.className = "state";
    const icon = document.createElement("span");
    icon.className = "state-icon";
    icon.ariaHidden = "true";
    state.append(icon, this.titles[s.name] ?? s.name);
    const took = document.createElement("span");
    took.className = "took";
    if (s.started_at) took.textContent = elapsed((s.finished_at ? Date.parse(s.finished_at) : Date.now()) - Date.parse(s.started_at));
    button.append(state, took);
    button.addEventListener("click", () => this.view?.goTo(s.log_offset ?? 0));
    li.append(button);
    return li;
  }

  private grown(size: number): void {
    if (size <= this.size) return;
    void this.read().then(() => this.loadTask());
  }

  /** Reads what is new of the log, piece by piece. */
  private async read(): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    const generation = this.generation;
    try {
      for (;;) {
        const answer = await fetch(`${this.url}/log?offset=${String(this.size)}`);
        if (!answer.ok || generation !== this.generation) return;
        const next = Number(answer.headers.get("X-Log-Next") ?? this.size);
        this.view?.append(new Uint8Array(await answer.arrayBuffer()), this.size);
        if (next <= this.size) return;
        this.size = next;
      }
    } catch {
      // The connection is gone; the page's banner says so, and the next growth reads on.
    } finally {
      this.reading = false;
      if (generation !== this.generation && !this.hidden) void this.read();
    }
  }

  private download(link: HTMLAnchorElement): void {
    link.download = `${this.find("title")?.textContent ?? "log"}.log`;
    if (link.href) URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(new Blob([this.view?.text ?? ""], { type: "text/plain" }));
  }

  private leave(): void {
    this.stop?.();
    this.stop = null;
  }

  private close(): void {
    this.leave();
    this.noOutput(); // it would go on reading
    this.generation++;
    this.hidden = true;
    this.opener?.focus();
  }
}
