-- +goose Up
ALTER TABLE `certificates`
    ADD COLUMN `authority` VARCHAR(64) NOT NULL DEFAULT '',
    ADD COLUMN `renew_asked_at` DATETIME(3),
    ADD KEY `certificates_authority_not_after` (`authority`, `not_after`);
ALTER TABLE `hosts`
    ADD COLUMN `trusts` VARCHAR(255) NOT NULL DEFAULT '',
    ADD COLUMN `certified_by` VARCHAR(64) NOT NULL DEFAULT '';
ALTER TABLE `enrol_requests` ADD KEY `enrol_requests_state_conflict` (`state`, `conflict`);
ALTER TABLE `events` ADD KEY `events_time_id` (`time`, `id`);

-- +goose Down
ALTER TABLE `events` DROP KEY `events_time_id`;
ALTER TABLE `enrol_requests` DROP KEY `enrol_requests_state_conflict`;
ALTER TABLE `hosts`
    DROP COLUMN `certified_by`,
    DROP COLUMN `trusts`;
ALTER TABLE `certificates`
    DROP KEY `certificates_authority_not_after`,
    DROP COLUMN `renew_asked_at`,
    DROP COLUMN `authority`;
