package account

// UnknownUser is the hash that stands for users that are not there.
const UnknownUser = unknownUser
