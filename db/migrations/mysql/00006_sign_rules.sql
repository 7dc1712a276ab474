-- +goose Up
CREATE TABLE `sign_rules` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `host` VARCHAR(255) NOT NULL,
    `networks` VARCHAR(1000) NOT NULL,
    `note` VARCHAR(255) NOT NULL,
    `created_by` VARCHAR(255) NOT NULL,
    `created_at` DATETIME(3) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE `sign_rules`;
