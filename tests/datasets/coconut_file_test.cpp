#include "datasets/coconut_file.h"

#include <doctest/doctest.h>

#include "datasets/lines.h"
#include "lib/core/files.h"
#include "tests/lib/core_support.h"

using namespace tacit;

TEST_CASE("GSM8K-Aug's lines and Coconut's JSON are read") {
  const ScratchFolder folder;
  write_file_atomic(folder / "set.txt", "How many? Or||not?||<<16-3-4=9>> <<9*2=18>> #### 18\r\n\n 2 + 2?  ||#### 4\n",
                    "test");
  write_file_atomic(folder / "set.json",
                    R"([{"question": "How many? Or", "steps": [], "answer": "1", "idx_to_symbol": 3},
                        {"question": "2 + 2?", "steps": ["<<2+2=4>>"], "answer": "4"}])",
                    "test");
  const std::vector<Example> lines = read_coconut(folder / "set.txt"), list = read_coconut(folder / "set.json");
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].id == "set/0");
  CHECK(lines[0].question == "How many? Or");  // the first bars part it, as in the original
  CHECK(lines[0].steps == std::vector<std::string>{"not?||<<16-3-4=9>>", "<<9*2=18>>"});
  CHECK(lines[0].answer == "18");
  CHECK(lines[1].id == "set/1");
  CHECK(lines[1].question == "2 + 2?");
  CHECK(lines[1].steps.empty());
  CHECK(lines[1].answer == "4");
  REQUIRE(list.size() == 2);
  CHECK(list[1].id == "set/1");
  CHECK(list[1].question == lines[1].question);
  CHECK(list[1].steps == std::vector<std::string>{"<<2+2=4>>"});
  CHECK(list[1].answer == lines[1].answer);
}

TEST_CASE("files that are neither are refused, naming item or line") {
  struct Case {
    std::string text, message;
  };
  const ScratchFolder folder;
  for (const auto& [text, message] : std::vector<Case>{
           {"a||<<1>> #### 1\nno bars #### 2\n", "no '||' in \"no bars #### 2\""},
           {"a||<<1>> #### 1\nno bars #### 2\n", "line 2"},
           {"a||<<1>> 1\n", "no '####' behind the '||'"},
           {"a #### b||<<1>>\n", "no '####' behind the '||'"},
           {"  ||<<1>> #### 1\n", "no question"},
           {"a||<<1>> ####  \n", "no answer"},
           {R"([{"question": "a", "steps": "b", "answer": "c"}])", "expected 'item 0.steps' to be a list of strings"},
           {R"([{"question": "a", "steps": []}])", "expected 'item 0.answer' to be a string"},
           {R"([{"question": " ", "steps": [], "answer": "c"}])", "expected 'item 0.question' to hold a question"},
           {R"([3])", "expected 'item 0' to be an object"},
           {R"([{"question")", "set"},
       }) {
    CAPTURE(text);
    write_file_atomic(folder / "set", text, "test");
    const std::string error = error_of([&] { read_coconut(folder / "set"); });
    CHECK_MESSAGE(holds(error, message), error);
  }
  CHECK(holds(error_of([&] { read_coconut(folder / "nowhere"); }), "there is none at"));
}

TEST_CASE("text on lines is Coconut's, with and without a marker of the checkpoint's own") {
  const Example example = {
      .id = "x", .question = "How many?", .steps = {"<<1+1=2>>", "<<2*2=4>>"}, .answer = "4", .meta = {}};
  const Example marked = on_lines(example, true), plain = on_lines(example, false);
  CHECK(plain.question == "How many?\n");
  CHECK(plain.steps == std::vector<std::string>{"<<1+1=2>>\n", "<<2*2=4>>\n"});
  CHECK(plain.answer == "### 4");
  CHECK(marked.question == plain.question);
  CHECK(marked.answer == " 4");
}
