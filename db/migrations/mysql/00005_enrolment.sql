-- +goose Up
ALTER TABLE `enrol_tokens`
    ADD COLUMN `note` VARCHAR(255) NOT NULL DEFAULT '',
    ADD COLUMN `networks` VARCHAR(1000) NOT NULL DEFAULT '',
    ADD COLUMN `tags` VARCHAR(255) NOT NULL DEFAULT '',
    ADD COLUMN `uses` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `created_by` VARCHAR(255) NOT NULL DEFAULT '',
    ADD COLUMN `ended_at` DATETIME(3),
    ADD COLUMN `ended_by` VARCHAR(255) NOT NULL DEFAULT '';
UPDATE `enrol_tokens` SET `uses` = `uses_left`;

ALTER TABLE `certificates`
    ADD COLUMN `tags` VARCHAR(255) NOT NULL DEFAULT '',
    ADD COLUMN `machine` VARCHAR(255) NOT NULL DEFAULT '',
    ADD KEY `certificates_key_hash` (`key_hash`),
    ADD KEY `certificates_machine_created_at` (`machine`, `created_at`);

CREATE TABLE `enrol_requests` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `key_hash` VARCHAR(255) NOT NULL,
    `hostname` VARCHAR(255) NOT NULL,
    `agent_sn` VARCHAR(255) NOT NULL,
    `csr` MEDIUMTEXT NOT NULL,
    `address` VARCHAR(255) NOT NULL,
    `machine` VARCHAR(255) NOT NULL,
    `facts` MEDIUMTEXT,
    `state` VARCHAR(32) NOT NULL,
    `conflict` VARCHAR(255) NOT NULL,
    `decided_at` DATETIME(3),
    `decided_by` VARCHAR(255) NOT NULL,
    `serial` VARCHAR(255) NOT NULL,
    `certificate` MEDIUMTEXT NOT NULL,
    `created_at` DATETIME(3) NOT NULL,
    `seen_at` DATETIME(3) NOT NULL,
    UNIQUE KEY `enrol_requests_key_hash` (`key_hash`),
    KEY `enrol_requests_state_hostname_id` (`state`, `hostname`, `id`),
    KEY `enrol_requests_state_seen_at` (`state`, `seen_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE `enrol_requests`;
ALTER TABLE `certificates`
    DROP KEY `certificates_machine_created_at`,
    DROP KEY `certificates_key_hash`,
    DROP COLUMN `machine`,
    DROP COLUMN `tags`;
ALTER TABLE `enrol_tokens`
    DROP COLUMN `ended_by`,
    DROP COLUMN `ended_at`,
    DROP COLUMN `created_by`,
    DROP COLUMN `uses`,
    DROP COLUMN `tags`,
    DROP COLUMN `networks`,
    DROP COLUMN `note`;
