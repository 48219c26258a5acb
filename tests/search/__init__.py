"""Search: what every engine must do, languages, damage, several processes, and an evaluation over real sites."""
