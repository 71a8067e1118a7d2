# RequestQueue.swift: the last comes first
s/let head = urgent.head >= 0 ? urgent.head : normal.head/let head = urgent.head >= 0 ? urgent.head : normal.tail/
