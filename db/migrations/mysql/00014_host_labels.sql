-- +goose Up
ALTER TABLE `users` ADD COLUMN `host_labels` VARCHAR(255) NOT NULL DEFAULT '';
ALTER TABLE `api_tokens` ADD COLUMN `host_labels` VARCHAR(255) NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE `api_tokens` DROP COLUMN `host_labels`;
ALTER TABLE `users` DROP COLUMN `host_labels`;
