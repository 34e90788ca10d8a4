#pragma once

#include <filesystem>

#include "apps/repl.h"

namespace tacit {

// The session as a file: settings, both sides, question and replies, JSON. Written atomically; refuses to take the
// place of a file that is not such a session.
void save_session(const Repl& repl, const std::filesystem::path& file);

// Takes the state of a file. Fails, leaving the state as it is, on a file that is not a session, or names models that
// are not there.
void load_session(Repl& repl, const std::filesystem::path& file);

}  // namespace tacit
