-- +goose Up
CREATE TABLE "child_definitions" (
    "name" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "checksum" TEXT NOT NULL,
    "definition" TEXT NOT NULL,
    "used_by" TEXT NOT NULL,
    "used_at" DATETIME NOT NULL,
    PRIMARY KEY ("name", "version")
);

-- +goose Down
DROP TABLE "child_definitions";
