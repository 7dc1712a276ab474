-- +goose Up
CREATE TABLE "audit_entries" (
    "id" INTEGER PRIMARY KEY,
    "time" DATETIME NOT NULL,
    "actor" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "family" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "result" TEXT NOT NULL,
    "code" TEXT NOT NULL,
    "request" TEXT NOT NULL,
    "was" TEXT NOT NULL,
    "became" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "seal" TEXT NOT NULL
);
CREATE INDEX "audit_entries_time" ON "audit_entries" ("time");
CREATE INDEX "audit_entries_actor" ON "audit_entries" ("actor");
CREATE INDEX "audit_entries_family" ON "audit_entries" ("family");
CREATE INDEX "audit_entries_target" ON "audit_entries" ("target");
CREATE INDEX "audit_entries_result" ON "audit_entries" ("result");

-- The one row is what writers wait for each other at.
CREATE TABLE "audit_heads" (
    "id" INTEGER PRIMARY KEY,
    "entry" INTEGER NOT NULL,
    "hash" TEXT NOT NULL
);
INSERT INTO "audit_heads" ("id", "entry", "hash") VALUES (1, 0, '');

-- +goose Down
DROP TABLE "audit_heads";
DROP TABLE "audit_entries";
