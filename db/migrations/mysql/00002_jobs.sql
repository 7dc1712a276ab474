-- +goose Up
ALTER TABLE `operations`
    ADD COLUMN `batch` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `max_failures` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `forgiven` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `request_key` VARCHAR(255),
    ADD UNIQUE KEY `operations_request_key` (`request_key`);

ALTER TABLE `tasks`
    ADD COLUMN `batch` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `job_id` VARCHAR(255);

CREATE TABLE `operation_jobs` (
    `operation_id` BIGINT NOT NULL PRIMARY KEY,
    `payload` MEDIUMTEXT NOT NULL,
    FOREIGN KEY (`operation_id`) REFERENCES `operations` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

ALTER TABLE `jobs`
    ADD COLUMN `operation_id` BIGINT,
    ADD COLUMN `task_id` BIGINT,
    ADD COLUMN `superseded` TINYINT(1) NOT NULL DEFAULT 0,
    ADD COLUMN `detail` VARCHAR(255) NOT NULL DEFAULT '',
    ADD COLUMN `content` VARCHAR(64) NOT NULL DEFAULT '',
    ADD COLUMN `timeout` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `keep` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `expires_at` DATETIME(3),
    ADD COLUMN `deadline_at` DATETIME(3),
    ADD COLUMN `started_at` DATETIME(3),
    ADD COLUMN `cancel_requested_at` DATETIME(3),
    ADD COLUMN `exit_code` BIGINT,
    ADD COLUMN `stdout_size` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `stderr_size` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `stdout_kept` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `stderr_kept` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `elapsed` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `output_hash` VARCHAR(64) NOT NULL DEFAULT '',
    ADD COLUMN `file_name` VARCHAR(255) NOT NULL DEFAULT '',
    ADD COLUMN `file_size` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `file_checksum` VARCHAR(64) NOT NULL DEFAULT '',
    ADD KEY `jobs_host_id_id` (`host_id`, `id`),
    ADD KEY `jobs_host_id_state_id` (`host_id`, `state`, `id`),
    ADD KEY `jobs_finished_at` (`finished_at`),
    ADD KEY `jobs_operation_id_id` (`operation_id`, `id`),
    ADD KEY `jobs_outcome` (`operation_id`, `superseded`, `state`, `err_code`, `exit_code`, `output_hash`, `id`),
    ADD KEY `jobs_task_id` (`task_id`),
    ADD KEY `jobs_state_id` (`state`, `id`),
    ADD KEY `jobs_action_id` (`action`, `id`),
    ADD KEY `jobs_state_expires_at` (`state`, `expires_at`),
    ADD KEY `jobs_state_deadline_at` (`state`, `deadline_at`),
    ADD KEY `jobs_content` (`content`),
    DROP KEY `jobs_host_id_created_at`;

CREATE TABLE `job_output` (
    `job_id` VARCHAR(255) NOT NULL,
    `stream` VARCHAR(16) NOT NULL,
    `start` BIGINT NOT NULL,
    `body` MEDIUMBLOB NOT NULL,
    PRIMARY KEY (`job_id`, `stream`, `start`),
    FOREIGN KEY (`job_id`) REFERENCES `jobs` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `files` (
    `checksum` VARCHAR(64) NOT NULL PRIMARY KEY,
    `size` BIGINT NOT NULL,
    `created_by` VARCHAR(255) NOT NULL,
    `created_at` DATETIME(3) NOT NULL,
    `used_at` DATETIME(3) NOT NULL,
    KEY `files_used_at` (`used_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

ALTER TABLE `events`
    ADD COLUMN `uid` VARCHAR(255),
    ADD COLUMN `child` VARCHAR(255) NOT NULL DEFAULT '',
    ADD COLUMN `family` VARCHAR(255) NOT NULL DEFAULT '';
UPDATE `events` SET `family` = SUBSTRING_INDEX(`kind`, '.', 1);
ALTER TABLE `events`
    ADD UNIQUE KEY `events_uid` (`uid`),
    ADD KEY `events_child_id` (`child`, `id`),
    ADD KEY `events_family_id` (`family`, `id`);

ALTER TABLE `child_agents`
    ADD COLUMN `reason` VARCHAR(1024) NOT NULL DEFAULT '',
    ADD COLUMN `ready` TINYINT(1) NOT NULL DEFAULT 0,
    ADD COLUMN `restarts` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `limits` MEDIUMTEXT,
    ADD COLUMN `limited_by` VARCHAR(255) NOT NULL DEFAULT '',
    ADD COLUMN `last_exit` MEDIUMTEXT,
    ADD KEY `child_agents_name_host_id` (`name`, `host_id`),
    ADD KEY `child_agents_status_name_host_id` (`status`, `name`, `host_id`);

-- +goose Down
ALTER TABLE `child_agents`
    DROP KEY `child_agents_status_name_host_id`,
    DROP KEY `child_agents_name_host_id`,
    DROP COLUMN `last_exit`,
    DROP COLUMN `limited_by`,
    DROP COLUMN `limits`,
    DROP COLUMN `restarts`,
    DROP COLUMN `ready`,
    DROP COLUMN `reason`;
ALTER TABLE `events`
    DROP KEY `events_family_id`,
    DROP KEY `events_child_id`,
    DROP KEY `events_uid`,
    DROP COLUMN `family`,
    DROP COLUMN `child`,
    DROP COLUMN `uid`;
DROP TABLE `files`;
DROP TABLE `job_output`;
ALTER TABLE `jobs`
    ADD KEY `jobs_host_id_created_at` (`host_id`, `created_at`),
    DROP KEY `jobs_content`,
    DROP KEY `jobs_state_deadline_at`,
    DROP KEY `jobs_state_expires_at`,
    DROP KEY `jobs_action_id`,
    DROP KEY `jobs_state_id`,
    DROP KEY `jobs_task_id`,
    DROP KEY `jobs_outcome`,
    DROP KEY `jobs_operation_id_id`,
    DROP KEY `jobs_finished_at`,
    DROP KEY `jobs_host_id_state_id`,
    DROP KEY `jobs_host_id_id`,
    DROP COLUMN `file_checksum`,
    DROP COLUMN `file_size`,
    DROP COLUMN `file_name`,
    DROP COLUMN `output_hash`,
    DROP COLUMN `elapsed`,
    DROP COLUMN `stderr_kept`,
    DROP COLUMN `stdout_kept`,
    DROP COLUMN `stderr_size`,
    DROP COLUMN `stdout_size`,
    DROP COLUMN `exit_code`,
    DROP COLUMN `cancel_requested_at`,
    DROP COLUMN `started_at`,
    DROP COLUMN `deadline_at`,
    DROP COLUMN `expires_at`,
    DROP COLUMN `keep`,
    DROP COLUMN `timeout`,
    DROP COLUMN `content`,
    DROP COLUMN `detail`,
    DROP COLUMN `superseded`,
    DROP COLUMN `task_id`,
    DROP COLUMN `operation_id`;
DROP TABLE `operation_jobs`;
ALTER TABLE `tasks` DROP COLUMN `job_id`, DROP COLUMN `batch`;
ALTER TABLE `operations` DROP KEY `operations_request_key`, DROP COLUMN `request_key`, DROP COLUMN `forgiven`, DROP COLUMN `max_failures`, DROP COLUMN `batch`;
