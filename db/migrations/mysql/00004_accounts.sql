-- +goose Up
ALTER TABLE `users`
    ADD COLUMN `disabled_at` DATETIME(3),
    ADD COLUMN `last_login_at` DATETIME(3);

ALTER TABLE `sessions`
    ADD COLUMN `browser` VARCHAR(255) NOT NULL DEFAULT '';

ALTER TABLE `api_tokens`
    ADD COLUMN `role` VARCHAR(255) NOT NULL DEFAULT 'administrator',
    ADD COLUMN `user_id` BIGINT,
    ADD COLUMN `created_by` VARCHAR(255) NOT NULL DEFAULT '',
    ADD COLUMN `expires_at` DATETIME(3),
    ADD KEY `api_tokens_user_id` (`user_id`);

-- +goose Down
ALTER TABLE `api_tokens`
    DROP KEY `api_tokens_user_id`,
    DROP COLUMN `expires_at`,
    DROP COLUMN `created_by`,
    DROP COLUMN `user_id`,
    DROP COLUMN `role`;
ALTER TABLE `sessions`
    DROP COLUMN `browser`;
ALTER TABLE `users`
    DROP COLUMN `last_login_at`,
    DROP COLUMN `disabled_at`;
