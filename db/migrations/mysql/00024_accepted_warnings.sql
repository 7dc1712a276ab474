-- +goose Up
CREATE TABLE `accepted_warnings` (
    `host_id` BIGINT NOT NULL,
    `check_name` VARCHAR(64) NOT NULL,
    `code` VARCHAR(64) NOT NULL,
    `reason` VARCHAR(1024) NOT NULL,
    `accepted_by` VARCHAR(255) NOT NULL,
    `accepted_at` DATETIME(3) NOT NULL,
    PRIMARY KEY (`host_id`, `check_name`, `code`),
    FOREIGN KEY (`host_id`) REFERENCES `hosts` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
ALTER TABLE `drafts` ADD COLUMN `host_check_id` BIGINT;

-- +goose Down
ALTER TABLE `drafts` DROP COLUMN `host_check_id`;
DROP TABLE `accepted_warnings`;
