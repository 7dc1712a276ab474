-- +goose Up
CREATE TABLE `mirrors` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `repository` VARCHAR(63) NOT NULL,
    `channel` VARCHAR(63) NOT NULL,
    `definition` MEDIUMBLOB NOT NULL,
    `operation_id` BIGINT,
    `next_at` DATETIME(3),
    `created_by` VARCHAR(255) NOT NULL,
    `created_at` DATETIME(3) NOT NULL,
    UNIQUE KEY `mirrors_channel` (`repository`, `channel`),
    KEY `mirrors_next_at` (`next_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE `mirrors`;
