-- +goose Up
CREATE TABLE "accepted_warnings" (
    "host_id" INTEGER NOT NULL,
    "check_name" TEXT NOT NULL,
    "code" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "accepted_by" TEXT NOT NULL,
    "accepted_at" DATETIME NOT NULL,
    PRIMARY KEY ("host_id", "check_name", "code"),
    FOREIGN KEY ("host_id") REFERENCES "hosts" ("id") ON DELETE CASCADE
);
ALTER TABLE "drafts" ADD COLUMN "host_check_id" INTEGER;

-- +goose Down
ALTER TABLE "drafts" DROP COLUMN "host_check_id";
DROP TABLE "accepted_warnings";
