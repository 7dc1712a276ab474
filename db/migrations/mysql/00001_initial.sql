-- +goose Up
CREATE TABLE `settings` (
    `name` VARCHAR(255) NOT NULL PRIMARY KEY,
    `value` MEDIUMTEXT NOT NULL,
    `updated_at` DATETIME(3) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `leases` (
    `name` VARCHAR(255) NOT NULL PRIMARY KEY,
    `holder` VARCHAR(255) NOT NULL,
    `fence` BIGINT NOT NULL,
    `expires_at` DATETIME(3) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `users` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `name` VARCHAR(255) NOT NULL,
    `password_hash` VARCHAR(255) NOT NULL,
    `role` VARCHAR(255) NOT NULL,
    `created_at` DATETIME(3) NOT NULL,
    `updated_at` DATETIME(3) NOT NULL,
    UNIQUE KEY `users_name` (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `sessions` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `hash` VARCHAR(255) NOT NULL,
    `user_id` BIGINT NOT NULL,
    `address` VARCHAR(255) NOT NULL,
    `created_at` DATETIME(3) NOT NULL,
    `last_used_at` DATETIME(3) NOT NULL,
    `expires_at` DATETIME(3) NOT NULL,
    UNIQUE KEY `sessions_hash` (`hash`),
    KEY `sessions_user_id` (`user_id`),
    KEY `sessions_expires_at` (`expires_at`),
    FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `api_tokens` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `name` VARCHAR(255) NOT NULL,
    `hash` VARCHAR(255) NOT NULL,
    `created_at` DATETIME(3) NOT NULL,
    `last_used_at` DATETIME(3),
    UNIQUE KEY `api_tokens_name` (`name`),
    UNIQUE KEY `api_tokens_hash` (`hash`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `hosts` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `agent_sn` VARCHAR(255) NOT NULL,
    `name` VARCHAR(255) NOT NULL,
    `fqdn` VARCHAR(255) NOT NULL,
    `cluster` VARCHAR(255) NOT NULL,
    `address` VARCHAR(255) NOT NULL,
    `state` VARCHAR(255) NOT NULL,
    `tags` VARCHAR(255) NOT NULL,
    `os_name` VARCHAR(255) NOT NULL,
    `arch` VARCHAR(255) NOT NULL,
    `agent_version` VARCHAR(255) NOT NULL,
    `facts` MEDIUMTEXT,
    `step` BIGINT NOT NULL,
    `started_at` DATETIME(3),
    `last_seen_at` DATETIME(3),
    `task_id` BIGINT,
    `draft_id` BIGINT,
    `registered_at` DATETIME(3),
    `created_at` DATETIME(3) NOT NULL,
    `updated_at` DATETIME(3) NOT NULL,
    UNIQUE KEY `hosts_agent_sn` (`agent_sn`),
    KEY `hosts_name_id` (`name`, `id`),
    KEY `hosts_state_name_id` (`state`, `name`, `id`),
    KEY `hosts_draft_id` (`draft_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `child_agents` (
    `host_id` BIGINT NOT NULL,
    `name` VARCHAR(255) NOT NULL,
    `version` VARCHAR(255) NOT NULL,
    `status` VARCHAR(255) NOT NULL,
    `uptime` BIGINT NOT NULL,
    `seen_at` DATETIME(3) NOT NULL,
    PRIMARY KEY (`host_id`, `name`),
    FOREIGN KEY (`host_id`) REFERENCES `hosts` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `operations` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `kind` VARCHAR(255) NOT NULL,
    `title` VARCHAR(255) NOT NULL,
    `cluster` VARCHAR(255) NOT NULL,
    `state` VARCHAR(255) NOT NULL,
    `parallel` BIGINT NOT NULL,
    `params` MEDIUMBLOB,
    `created_by` VARCHAR(255) NOT NULL,
    `created_at` DATETIME(3) NOT NULL,
    `started_at` DATETIME(3),
    `finished_at` DATETIME(3),
    KEY `operations_state` (`state`),
    KEY `operations_finished_at` (`finished_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `tasks` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `operation_id` BIGINT NOT NULL,
    `name` VARCHAR(255) NOT NULL,
    `state` VARCHAR(255) NOT NULL,
    `reason` VARCHAR(255) NOT NULL,
    `error_code` VARCHAR(255) NOT NULL,
    `error_cause` MEDIUMTEXT NOT NULL,
    `error_hint` MEDIUMTEXT NOT NULL,
    `error_args` MEDIUMTEXT,
    `params` MEDIUMBLOB,
    `memory` MEDIUMBLOB,
    `step_index` BIGINT NOT NULL,
    `step` VARCHAR(255) NOT NULL,
    `attempt` BIGINT NOT NULL,
    `host_id` BIGINT,
    `log_size` BIGINT NOT NULL,
    `note` VARCHAR(255) NOT NULL,
    `started_at` DATETIME(3),
    `finished_at` DATETIME(3),
    `updated_at` DATETIME(3) NOT NULL,
    KEY `tasks_operation_id_state` (`operation_id`, `state`),
    FOREIGN KEY (`operation_id`) REFERENCES `operations` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `steps` (
    `task_id` BIGINT NOT NULL,
    `seq` BIGINT NOT NULL,
    `name` VARCHAR(255) NOT NULL,
    `state` VARCHAR(255) NOT NULL,
    `log_offset` BIGINT NOT NULL,
    `started_at` DATETIME(3),
    `finished_at` DATETIME(3),
    PRIMARY KEY (`task_id`, `seq`),
    FOREIGN KEY (`task_id`) REFERENCES `tasks` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `log_chunks` (
    `task_id` BIGINT NOT NULL,
    `start` BIGINT NOT NULL,
    `body` MEDIUMBLOB NOT NULL,
    PRIMARY KEY (`task_id`, `start`),
    FOREIGN KEY (`task_id`) REFERENCES `tasks` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `certificates` (
    `serial` VARCHAR(255) NOT NULL PRIMARY KEY,
    `agent_sn` VARCHAR(255) NOT NULL,
    `hostname` VARCHAR(255) NOT NULL,
    `fingerprint` VARCHAR(255) NOT NULL,
    `key_hash` VARCHAR(255) NOT NULL,
    `token_id` BIGINT,
    `not_before` DATETIME(3) NOT NULL,
    `not_after` DATETIME(3) NOT NULL,
    `task_id` BIGINT,
    `draft_id` BIGINT,
    `cluster` VARCHAR(255) NOT NULL,
    `revoked_at` DATETIME(3),
    `created_at` DATETIME(3) NOT NULL,
    KEY `certificates_agent_sn` (`agent_sn`),
    KEY `certificates_not_after` (`not_after`),
    KEY `certificates_token_id` (`token_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `enrol_tokens` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `hash` VARCHAR(255) NOT NULL,
    `hostname` VARCHAR(255) NOT NULL,
    `cluster` VARCHAR(255) NOT NULL,
    `task_id` BIGINT,
    `draft_id` BIGINT,
    `uses_left` BIGINT NOT NULL,
    `created_at` DATETIME(3) NOT NULL,
    `expires_at` DATETIME(3) NOT NULL,
    UNIQUE KEY `enrol_tokens_hash` (`hash`),
    KEY `enrol_tokens_expires_at` (`expires_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `jobs` (
    `id` VARCHAR(255) NOT NULL PRIMARY KEY,
    `host_id` BIGINT NOT NULL,
    `action` VARCHAR(255) NOT NULL,
    `payload` MEDIUMTEXT NOT NULL,
    `state` VARCHAR(255) NOT NULL,
    `err_code` BIGINT NOT NULL,
    `message` MEDIUMTEXT NOT NULL,
    `created_by` VARCHAR(255) NOT NULL,
    `created_at` DATETIME(3) NOT NULL,
    `delivered_at` DATETIME(3),
    `finished_at` DATETIME(3),
    KEY `jobs_host_id_created_at` (`host_id`, `created_at`),
    KEY `jobs_state_host_id` (`state`, `host_id`),
    FOREIGN KEY (`host_id`) REFERENCES `hosts` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `events` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `time` DATETIME(3) NOT NULL,
    `kind` VARCHAR(255) NOT NULL,
    `severity` VARCHAR(255) NOT NULL,
    `host_id` BIGINT,
    `operation_id` BIGINT,
    `actor` VARCHAR(255) NOT NULL,
    `params` MEDIUMTEXT,
    KEY `events_host_id_id` (`host_id`, `id`),
    KEY `events_severity_id` (`severity`, `id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `drafts` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `version` BIGINT NOT NULL,
    `step` VARCHAR(255) NOT NULL,
    `cluster` VARCHAR(255) NOT NULL,
    `hosts` MEDIUMTEXT NOT NULL,
    `method` VARCHAR(255) NOT NULL,
    `ssh_user` VARCHAR(255) NOT NULL,
    `ssh_port` BIGINT NOT NULL,
    `operation_id` BIGINT,
    `created_by` VARCHAR(255) NOT NULL,
    `finished_at` DATETIME(3),
    `created_at` DATETIME(3) NOT NULL,
    `updated_at` DATETIME(3) NOT NULL,
    KEY `drafts_finished_at_updated_at` (`finished_at`, `updated_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE `ssh_host_keys` (
    `target` VARCHAR(255) NOT NULL,
    `algorithm` VARCHAR(255) NOT NULL,
    `key` MEDIUMTEXT NOT NULL,
    `fingerprint` VARCHAR(255) NOT NULL,
    `created_at` DATETIME(3) NOT NULL,
    PRIMARY KEY (`target`, `algorithm`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE `ssh_host_keys`;
DROP TABLE `drafts`;
DROP TABLE `events`;
DROP TABLE `jobs`;
DROP TABLE `enrol_tokens`;
DROP TABLE `certificates`;
DROP TABLE `log_chunks`;
DROP TABLE `steps`;
DROP TABLE `tasks`;
DROP TABLE `operations`;
DROP TABLE `child_agents`;
DROP TABLE `hosts`;
DROP TABLE `api_tokens`;
DROP TABLE `sessions`;
DROP TABLE `users`;
DROP TABLE `leases`;
DROP TABLE `settings`;
