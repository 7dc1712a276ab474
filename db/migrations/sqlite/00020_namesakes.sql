-- +goose Up
CREATE TABLE "kept_namesakes" (
    "hostname" TEXT NOT NULL,
    "agent_sn" TEXT NOT NULL,
    "kept_by" TEXT NOT NULL,
    "kept_at" DATETIME NOT NULL,
    PRIMARY KEY ("hostname", "agent_sn")
);

-- +goose Down
DROP TABLE "kept_namesakes";
