-- +goose Up
CREATE TABLE "mirrors" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "repository" TEXT NOT NULL,
    "channel" TEXT NOT NULL,
    "definition" BLOB NOT NULL,
    "operation_id" INTEGER,
    "next_at" DATETIME,
    "created_by" TEXT NOT NULL,
    "created_at" DATETIME NOT NULL,
    UNIQUE ("repository", "channel")
);
CREATE INDEX "mirrors_next_at" ON "mirrors" ("next_at");

-- +goose Down
DROP TABLE "mirrors";
