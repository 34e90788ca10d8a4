#pragma once

// The parts of html_report(), a file each; only eval/report_html*.cpp include this.

#include <string>
#include <utility>
#include <vector>

#include "eval/compare.h"

namespace tacit::html {

extern const char* const kStyle;   // report_html_style.cpp
extern const char* const kScript;  // report_html_script.cpp

// <section id=..><h2>title</h2> content </section>
std::string section(const std::string& id, const std::string& title, const std::string& content);
// A mark in the row's colour and shape, as in the plots.
std::string key(const Comparison& comparison, const std::string& row);
// Accuracy as a bar with its interval; a tick where chance lies.
std::string bar(const Comparison& comparison, double accuracy, const Interval& ci, const std::string& row);

std::string headline_table(const Comparison& comparison);
std::string controls_table(const Comparison& comparison);  // "" where no row is another one with something changed
std::string rules_table(const Comparison& comparison);     // "" where there are no label-blind rules
std::string examples(const Comparison& comparison, const std::vector<std::pair<std::string, Run>>& runs);  // or ""

}  // namespace tacit::html
