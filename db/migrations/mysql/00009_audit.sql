-- +goose Up
CREATE TABLE `audit_entries` (
    `id` BIGINT NOT NULL,
    `time` DATETIME(3) NOT NULL,
    `actor` VARCHAR(255) NOT NULL,
    `address` VARCHAR(64) NOT NULL,
    `action` VARCHAR(64) NOT NULL,
    `family` VARCHAR(64) NOT NULL,
    `target` VARCHAR(512) NOT NULL,
    `result` VARCHAR(16) NOT NULL,
    `code` VARCHAR(64) NOT NULL,
    `request` VARCHAR(64) NOT NULL,
    `was` MEDIUMTEXT NOT NULL,
    `became` MEDIUMTEXT NOT NULL,
    `hash` CHAR(64) NOT NULL,
    `seal` CHAR(64) NOT NULL,
    PRIMARY KEY (`id`),
    KEY `audit_entries_time` (`time`),
    KEY `audit_entries_actor` (`actor`),
    KEY `audit_entries_family` (`family`),
    KEY `audit_entries_target` (`target`),
    KEY `audit_entries_result` (`result`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The one row is what writers wait for each other at.
CREATE TABLE `audit_heads` (
    `id` BIGINT NOT NULL,
    `entry` BIGINT NOT NULL,
    `hash` CHAR(64) NOT NULL,
    PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
INSERT INTO `audit_heads` (`id`, `entry`, `hash`) VALUES (1, 0, '');

-- +goose Down
DROP TABLE `audit_heads`;
DROP TABLE `audit_entries`;
