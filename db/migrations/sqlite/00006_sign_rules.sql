-- +goose Up
CREATE TABLE "sign_rules" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "host" TEXT NOT NULL,
    "networks" TEXT NOT NULL,
    "note" TEXT NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" DATETIME NOT NULL
);

-- +goose Down
DROP TABLE "sign_rules";
