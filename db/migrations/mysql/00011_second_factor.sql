-- +goose Up
ALTER TABLE `users`
    ADD COLUMN `otp_secret` VARCHAR(1000) NOT NULL DEFAULT '',
    ADD COLUMN `otp_offered` VARCHAR(1000) NOT NULL DEFAULT '',
    ADD COLUMN `otp_step` BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN `otp_since` DATETIME(3),
    ADD COLUMN `issuer` VARCHAR(500) NOT NULL DEFAULT '',
    ADD COLUMN `subject` VARCHAR(255) NOT NULL DEFAULT '',
    ADD KEY `users_subject` (`subject`);

ALTER TABLE `sessions`
    ADD COLUMN `awaits_code` BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN `issuer` VARCHAR(500) NOT NULL DEFAULT '';

CREATE TABLE `recovery_codes` (
    `user_id` BIGINT NOT NULL,
    `hash` VARCHAR(255) NOT NULL,
    PRIMARY KEY (`user_id`, `hash`),
    FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down
DROP TABLE `recovery_codes`;
DELETE FROM `sessions` WHERE `awaits_code`;
ALTER TABLE `sessions`
    DROP COLUMN `issuer`,
    DROP COLUMN `awaits_code`;
ALTER TABLE `users`
    DROP KEY `users_subject`,
    DROP COLUMN `subject`,
    DROP COLUMN `issuer`,
    DROP COLUMN `otp_since`,
    DROP COLUMN `otp_step`,
    DROP COLUMN `otp_offered`,
    DROP COLUMN `otp_secret`;
