#pragma once

#include <filesystem>
#include <string>

#include "apps/options.h"
#include "decoding/verbalise.h"
#include "eval/run.h"

namespace tacit {

inline constexpr const char* kVerbaliseHelp =
    "thoughts to text: lens, lens:N, nearest (step of 500 solved problems of the task) or decoder (of a sim-cot "
    "checkpoint)";

// What --verbalise or --by names. `task` and `of` say where the solved problems of "nearest" come from: the file
// `bank`, or, where problems can be generated, 500 others than those of `of`. UsageError where the text names nothing,
// or nothing for this checkpoint.
Verbaliser verbaliser_option(const Options& options, const std::string& text, const LoadedModel& model,
                             const Procedure& procedure, const std::string& task, TaskOptions of,
                             const std::filesystem::path& bank);

}  // namespace tacit
