-- +goose Up
CREATE TABLE `child_definitions` (
    `name` VARCHAR(64) NOT NULL,
    `version` VARCHAR(255) NOT NULL,
    `url` TEXT NOT NULL,
    `checksum` VARCHAR(255) NOT NULL,
    `definition` MEDIUMTEXT NOT NULL,
    `used_by` VARCHAR(255) NOT NULL,
    `used_at` DATETIME(3) NOT NULL,
    PRIMARY KEY (`name`, `version`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE `child_definitions`;
