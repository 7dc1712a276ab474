-- +goose Up
ALTER TABLE `enrol_requests`
    ADD COLUMN `token_id` BIGINT,
    ADD COLUMN `refusal` VARCHAR(255) NOT NULL DEFAULT '',
    ADD KEY `enrol_requests_token_id` (`token_id`);

-- +goose Down
ALTER TABLE `enrol_requests`
    DROP KEY `enrol_requests_token_id`,
    DROP COLUMN `refusal`,
    DROP COLUMN `token_id`;
