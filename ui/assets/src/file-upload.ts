import { csrfToken } from "./csrf";
import { announce } from "./live-page";
import { elapsed } from "./relative-time";

const settled = 1000; // ms until a speed is worth telling

interface Refusal {
  error?: { code?: string; message?: string };
}

type State = "waiting" | "running" | "done" | "failed";

/** One file on its way to the server, and its row. */
interface Upload {
  file: File;
  row: HTMLElement;
  state: State;
  request?: XMLHttpRequest;
}

/**
 * Files that are chosen or dropped, sent one after another while the form is filled in. The form then names what the
 * server has. One that is sent before waits for them.
 */
export class FileUpload extends HTMLElement {
  private uploads: Upload[] = [];
  private submitter: HTMLElement | null | undefined; // of the form that waits for the files; undefined while none does

  connectedCallback(): void {
    const input = this.input();
    if (!input) return;
    input.multiple = true;
    input.addEventListener("change", () => {
      this.take([...(input.files ?? [])]);
      input.value = ""; // the rows carry the files
    });
    for (const type of ["dragover", "dragleave", "drop"] as const) this.addEventListener(type, (e) => this.dragged(e));
    this.addEventListener("change", () => this.need());
    this.closest("form")?.addEventListener("submit", (e) => this.hold(e), { capture: true });
  }

  private input(): HTMLInputElement | null {
    return this.querySelector<HTMLInputElement>('input[type="file"]');
  }

  private dragged(e: DragEvent): void {
    if (!e.dataTransfer?.types.includes("Files")) return;
    e.preventDefault();
    this.querySelector("[data-drop]")?.classList.toggle("dropping", e.type === "dragover");
    if (e.type !== "drop") return;
    const entries = [...e.dataTransfer.items].map((item) => item.webkitGetAsEntry());
    this.take([...e.dataTransfer.files].filter((_, i) => !entries[i]?.isDirectory));
    this.complain(entries.some((entry) => entry?.isDirectory) ? this.text("directory") : "");
  }

  private take(files: File[]): void {
    this.complain("");
    for (const file of files) {
      const row = this.row(file);
      if (!row) return;
      const upload: Upload = { file, row, state: "waiting" };
      row.querySelector("[data-upload-cancel]")?.addEventListener("click", () => this.cancel(upload));
      row.querySelector("[data-upload-again]")?.addEventListener("click", () => {
        this.tell(upload, "waiting", this.text("waiting"));
        this.next();
      });
      this.uploads.push(upload);
      this.tell(upload, "waiting", this.text("waiting"));
      if (file.size > Number(this.dataset["largest"])) this.tell(upload, "failed", this.text("tooLarge"));
    }
    this.need();
    this.next();
  }

  private row(file: File): HTMLElement | null {
    const template = this.querySelector<HTMLTemplateElement>("[data-upload-row]");
    const row = template?.content.firstElementChild?.cloneNode(true);
    if (!(row instanceof HTMLElement)) return null;
    const name = row.querySelector("[data-upload-name]");
    if (name) name.textContent = file.name;
    const bar = row.querySelector("progress");
    if (bar) bar.ariaLabel = file.name;
    this.querySelector("[data-uploads]")?.append(row);
    return row;
  }

  private next(): void {
    if (this.uploads.some((u) => u.state === "running")) return;
    const upload = this.uploads.find((u) => u.state === "waiting");
    if (upload) this.send(upload);
    else this.release();
  }

  private send(upload: Upload): void {
    const request = new XMLHttpRequest(); // fetch tells nothing of how far a body has gone
    const begun = performance.now();
    upload.request = request;
    this.tell(upload, "running", "");
    request.upload.addEventListener("progress", (e) => this.progress(upload, e, performance.now() - begun));
    request.addEventListener("loadend", () => {
      if (!this.uploads.includes(upload)) return; // canceled
      this.end(upload, request);
      this.next();
    });
    request.open("POST", this.dataset["url"] ?? "");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRF-Token", csrfToken());
    request.send(upload.file);
  }

  private progress(upload: Upload, e: ProgressEvent, ms: number): void {
    const speed = (e.loaded / Math.max(ms, 1)) * 1000;
    let text = fill(this.text("progress"), { done: bytes(e.loaded), size: bytes(e.total), speed: bytes(speed) });
    if (ms > settled && speed > 0) text += ` · ${fill(this.text("left"), { time: elapsed(((e.total - e.loaded) / speed) * 1000) })}`;
    this.tell(upload, "running", text, e.total > 0 ? e.loaded / e.total : 1);
  }

  private end(upload: Upload, request: XMLHttpRequest): void {
    const answer = parse(request.responseText);
    const id = request.status === 201 && typeof answer["id"] === "string" ? answer["id"] : "";
    if (id === "") {
      this.tell(upload, "failed", this.reason(request.status, answer));
      return;
    }
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "uploaded";
    field.value = `${id} ${upload.file.name}`;
    upload.row.append(field);
    this.tell(upload, "done", fill(this.text("done"), { size: bytes(upload.file.size) }), 1);
    announce(`${upload.file.name}: ${fill(this.text("done"), { size: bytes(upload.file.size) })}`);
  }

  private reason(status: number, { error }: Refusal): string {
    if (status === 0) return this.text("noAnswer");
    if (status === 401 || status === 403) return this.text("ended");
    if (status === 413) return this.text("tooLarge");
    if (status === 507) return this.text("full");
    return fill(this.text("failed"), { reason: error?.message ?? String(status) });
  }

  private cancel(upload: Upload): void {
    this.uploads = this.uploads.filter((u) => u !== upload);
    upload.request?.abort();
    upload.row.remove();
    announce(`${upload.file.name}: ${this.text("canceled")}`);
    this.need();
    this.input()?.focus();
    this.next();
  }

  private tell(upload: Upload, state: State, text: string, part = 0): void {
    upload.state = state;
    upload.row.dataset["tone"] = state;
    const place = upload.row.querySelector("[data-upload-text]");
    if (place) place.textContent = text;
    const bar = upload.row.querySelector("progress");
    if (bar) {
      bar.hidden = state === "done" || state === "failed";
      bar.value = part;
    }
    const again = upload.row.querySelector<HTMLElement>("[data-upload-again]");
    if (again) again.hidden = state !== "failed" || upload.file.size > Number(this.dataset["largest"]);
    if (state === "failed") announce(`${upload.file.name}: ${text}`);
  }

  /** A form without any file cannot be sent. */
  private need(): void {
    const input = this.input();
    if (input) input.required = this.uploads.length === 0 && !this.querySelector("[data-uploaded]:checked");
  }

  private hold(e: SubmitEvent): void {
    const open = this.uploads.filter((u) => u.state !== "done");
    if (open.length === 0) return;
    e.preventDefault();
    e.stopImmediatePropagation();
    const failed = open.every((u) => u.state === "failed");
    this.complain(this.text("unsent"));
    if (!failed) this.submitter = e.submitter;
  }

  /** Sends the form that waited, unless a file did not get here. */
  private release(): void {
    if (this.submitter === undefined) return;
    const submitter = this.submitter;
    this.submitter = undefined;
    if (this.uploads.some((u) => u.state === "failed")) return;
    this.complain("");
    this.closest("form")?.requestSubmit(submitter);
  }

  private complain(text: string): void {
    const place = document.getElementById("field-file-error");
    if (!place) return;
    place.hidden = text === "";
    place.textContent = text;
  }

  private text(name: string): string {
    return this.dataset[name] ?? "";
  }
}

function fill(pattern: string, parts: Record<string, string>): string {
  return pattern.replace(/\{(\w+)\}/g, (_, name: string) => parts[name] ?? "");
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** A size as the server writes it. */
function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${n.toFixed(i === 0 || n >= 100 ? 0 : 1)} ${units[i] ?? ""}`;
}
