-- +goose Up
CREATE TABLE `kept_namesakes` (
    `hostname` VARCHAR(255) NOT NULL,
    `agent_sn` VARCHAR(255) NOT NULL,
    `kept_by` VARCHAR(255) NOT NULL,
    `kept_at` DATETIME(3) NOT NULL,
    PRIMARY KEY (`hostname`, `agent_sn`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE `kept_namesakes`;
