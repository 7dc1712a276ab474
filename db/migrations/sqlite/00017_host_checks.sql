-- +goose Up
CREATE TABLE "host_checks" (
    "host_id" INTEGER NOT NULL PRIMARY KEY,
    "operation_id" INTEGER NOT NULL,
    "job_id" TEXT NOT NULL,
    "checked_at" DATETIME NOT NULL,
    "findings" TEXT NOT NULL,
    FOREIGN KEY ("host_id") REFERENCES "hosts" ("id") ON DELETE CASCADE
);

-- +goose Down
DROP TABLE "host_checks";
