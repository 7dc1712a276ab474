-- +goose Up
ALTER TABLE `drafts` ADD COLUMN `check_id` BIGINT;

-- +goose Down
ALTER TABLE `drafts` DROP COLUMN `check_id`;
