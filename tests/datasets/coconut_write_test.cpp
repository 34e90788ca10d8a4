#include <doctest/doctest.h>

#include "datasets/coconut_file.h"
#include "tests/lib/core_support.h"

namespace tacit {
namespace {

const std::vector<Example> kWritten = {
    {.id = "x/0", .question = "How many?", .steps = {"<<1+1=2>>", "<<2*2=4>>"}, .answer = "4", .choices = {"4", "5"}},
    {.id = "x/1", .question = "And | how \"far\"?", .steps = {}, .answer = "1 000 \xC3\xA4"}};

void check_read(const std::filesystem::path& file) {
  const std::vector<Example> read = read_coconut(file);
  REQUIRE(read.size() == kWritten.size());
  for (size_t i = 0; i < read.size(); ++i) {
    CHECK(read[i].question == kWritten[i].question);
    CHECK(read[i].steps == kWritten[i].steps);
    CHECK(read[i].answer == kWritten[i].answer);
  }
}

TEST_CASE("what is written in Coconut's JSON or GSM8K-Aug's lines is read back") {
  const ScratchFolder scratch;
  write_coconut_json(scratch / "list.json", kWritten);
  check_read(scratch / "list.json");
  write_coconut_lines(scratch / "lines.txt", kWritten);
  check_read(scratch / "lines.txt");
}

TEST_CASE("lines refuse what they would not give back, and write nothing") {
  const ScratchFolder scratch;
  const auto refused = [&](Example example) {
    example.id = "x/7";
    return error_of([&] { write_coconut_lines(scratch / "lines.txt", {example}); });
  };
  CHECK(holds(refused({.question = "a\nb", .answer = "1"}), "expected texts without \"\\n\""));
  CHECK(holds(refused({.question = "a||b", .answer = "1"}), "in example 'x/7'"));
  CHECK(holds(refused({.question = "a", .steps = {"b c"}, .answer = "1"}), "expected texts without \" \""));
  CHECK(holds(refused({.question = "a", .steps = {"b####"}, .answer = "1"}), "expected texts without \"####\""));
  CHECK(holds(refused({.question = "a", .answer = "1 #### 2"}), "expected texts without \"####\""));
  CHECK(!std::filesystem::exists(scratch / "lines.txt"));
}

}  // namespace
}  // namespace tacit
