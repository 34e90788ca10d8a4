#pragma once

#include <string>
#include <vector>

#include "eval/scorer.h"
#include "eval/task.h"
#include "lib/tokenizer/chat_template.h"

namespace tacit {

// Whether the task's template stands around a question: as TaskOptions::prompt says, or, where it says nothing, unless
// the checkpoint was trained on questions as they stand in a file (TaskOptions::lines).
bool uses_template(const Task& task, const TaskOptions& options);

// A question in its template, and a solved example: the same with steps and answer.
std::string render_question(const PromptSpec& prompt, const Example& example);
std::string render_solved(const PromptSpec& prompt, const Example& example);

// What the model reads, by example: TaskOptions::shots solved examples, the question in its template, and where
// TaskOptions::chat is set all of it as a user's message of `chat`. The solved examples are drawn by TaskOptions::seed
// from TaskOptions::shots_data (empty = the examples' own file) and are the same for all questions, but that a question
// is never among them. Fails where shots are asked of a task without template or solutions, or where there are too few.
std::vector<std::string> render_prompts(const Task& task, const std::vector<Example>& examples,
                                        const TaskOptions& options, const ChatTemplate* chat = nullptr);

// For run.json: template, stop strings, shots and chat template; null where a question is put as it stands.
OrderedJson prompt_record(const Task& task, const TaskOptions& options, const std::string& chat);

// `text` before the first of the stop strings in it.
std::string cut_at_stop(const std::string& text, const std::vector<std::string>& stop);
// Whether the text holds a stop string and more of it could not move where it is cut: no other stop string has begun
// before.
bool ends_at_stop(const std::string& text, const std::vector<std::string>& stop);
// The scorer on a text that is cut so, thoughts that precede it left whole; its rule says that.
Scorer stopping_at(Scorer scorer, const std::vector<std::string>& stop);

}  // namespace tacit
