-- +goose Up
CREATE TABLE `host_checks` (
    `host_id` BIGINT NOT NULL PRIMARY KEY,
    `operation_id` BIGINT NOT NULL,
    `job_id` VARCHAR(255) NOT NULL,
    `checked_at` DATETIME(3) NOT NULL,
    `findings` MEDIUMTEXT NOT NULL,
    FOREIGN KEY (`host_id`) REFERENCES `hosts` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE `host_checks`;
