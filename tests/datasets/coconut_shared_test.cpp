#include <doctest/doctest.h>

#include "datasets/coconut_file.h"
#include "tests/support/test_data.h"

using namespace tacit;

TEST_CASE("the published files read whole") {
  const auto data = test::data("gsm8k_aug");
  if (!data) return;
  const std::vector<Example> valid = read_coconut(*data / "valid.txt");
  CHECK(valid.size() == 500);
  CHECK(read_coconut(*data / "test.txt").size() == 1319);
  CHECK(valid[0].steps == std::vector<std::string>{"<<4-2=2>>", "<<2/.5=4>>", "<<12/4=3>>", "<<100*3=300>>"});
  CHECK(valid[0].answer == "300");
}
