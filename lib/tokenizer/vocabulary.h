#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lib/core/json.h"
#include "lib/tokenizer/added_tokens.h"

namespace tacit {

// Token strings and ids, those of the model and the added ones.
class Vocabulary {
 public:
  // Reads "model.vocab" and "added_tokens" of tokenizer.json, and gives the added tokens their ids.
  Vocabulary(const JsonReader& file, const std::string& source);
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }  // largest id + 1; there may be gaps
  bool has(int64_t id) const { return id >= 0 && id < size() && present_[static_cast<size_t>(id)]; }
  const std::string& token(int64_t id) const;  // fails outside
  std::optional<int64_t> find(std::string_view token) const;
  std::optional<int64_t> find_in_model(std::string_view token) const;  // ignores tokens that are only added
  bool only_added(int64_t id) const { return only_added_[static_cast<size_t>(id)]; }
  const std::vector<AddedToken>& added() const { return added_; }

 private:
  void read_model(const JsonReader& model, const std::string& source);
  void read_added(const JsonReader& file, const std::string& source);
  void place(const std::string& token, int64_t id);

  std::vector<std::string> tokens_;
  std::vector<bool> present_, only_added_;
  std::vector<AddedToken> added_;
  std::unordered_map<std::string, int64_t> ids_;
};

}  // namespace tacit
