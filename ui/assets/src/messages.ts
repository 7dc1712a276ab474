// The messages of the /live WebSocket, as ui/live defines them.

export interface Row {
  id: string;
  tone: string;
  group: string;
  cells: Record<string, string>;
}

export interface Delta {
  topic: string;
  seq: number;
  rows?: Row[];
  removed?: string[];
  values?: Record<string, string>;
  reload?: boolean;
}

export function isDelta(v: unknown): v is Delta {
  return typeof v === "object" && v !== null && "topic" in v && typeof v.topic === "string" && "seq" in v && typeof v.seq === "number";
}
