-- +goose Up
ALTER TABLE `hosts`
    ADD COLUMN `repository_keys` VARCHAR(255) NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE `hosts`
    DROP COLUMN `repository_keys`;
